package main

import "slices"

// roster are all peers, in the order in which they take their turns. built is filled in by the time that they are used.
func roster(built *programs) []peer {
	others := []peer{
		&runit{}, &daemontools{}, &s6{}, &supervisor{}, &pm2{}, &monit{}, &systemd{},
		pebble(), processCompose(), supervisordGo(), overmind(), hivemind(), goreman(),
	}
	return slices.Concat(floors(built), coppices(built), others)
}
