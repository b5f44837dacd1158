package main

import (
	"os"
	"path/filepath"

	"coppice/configs"
	"coppice/ipc"
)

// stateName is the state folder beside a tree file.
const stateName = ".coppice"

// place is where one tree has its things.
type place struct {
	run   string // the folder of socket and lock
	state string // the folder of the event record
	logs  string // the folder of the captured output
	sock  string // the socket, when it was named itself
}

// client speaks to the daemon of this place.
func (p place) client() *ipc.Client { return &ipc.Client{Dir: p.run, Socket: p.sock} }

// inFolder is a place that lies in one folder.
func inFolder(dir string) place {
	return place{run: dir, state: dir, logs: filepath.Join(dir, "log")}
}

// systemPlace is where root's own tree has its things.
func systemPlace() place {
	return place{run: "/run/coppice", state: "/var/lib/coppice", logs: "/var/log/coppice"}
}

// atSocket is the place that a socket belongs to.
func atSocket(sock string) place {
	p := inFolder(filepath.Dir(sock))
	if p.run == systemPlace().run {
		p = systemPlace()
	}
	p.sock = sock
	return p
}

// beside is the place of a tree file.
func beside(file string) place {
	if file == systemFile {
		return systemPlace()
	}
	return inFolder(filepath.Join(filepath.Dir(file), stateName))
}

// place finds the tree that a command is about, without reading its file: what
// was said last counts most, a flag, then the environment, then the folder.
func (a *app) place() (place, error) {
	switch {
	case a.socket != "":
		return atSocket(a.abs(a.socket)), nil
	case a.state != "":
		return inFolder(a.abs(a.state)), nil
	case a.file == "" && a.env("COPPICE_SOCKET") != "":
		return atSocket(a.abs(a.env("COPPICE_SOCKET"))), nil
	case a.env("COPPICE_STATE") != "":
		return inFolder(a.abs(a.env("COPPICE_STATE"))), nil
	case a.file != "":
		return beside(a.abs(a.file)), nil
	}
	return a.nearestPlace()
}

// nearestPlace looks for a tree here and above; for root, else the system's. A
// tree file that is gone has left its state folder.
func (a *app) nearestPlace() (place, error) {
	for dir := a.dir; dir != ""; dir = filepath.Dir(dir) {
		for _, name := range []string{"coppice.toml", "Procfile", stateName} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return inFolder(filepath.Join(dir, stateName)), nil
			}
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if a.root {
		return systemPlace(), nil
	}
	return place{}, ipc.ErrNoDaemon
}

// home is the tree file of a command that will run it, and the place of its daemon.
func (a *app) home() (file string, p place, err error) {
	if how := a.env("COPPICE_CGROUP"); how != "" && how != "on" && how != "off" {
		return "", p, usagef(`COPPICE_CGROUP is %q: it is "off", where no cgroups are to be used, or "on"`, how)
	}
	if file, err = a.treeFile(); err == nil {
		p, err = a.homePlace(file)
	}
	return file, p, err
}

// homePlace is place for a command that will run the daemon itself. A daemon
// makes its socket in its state folder, so no other can be asked for.
func (a *app) homePlace(file string) (place, error) {
	sock := a.socket
	if sock == "" && a.state == "" && a.file == "" {
		sock = a.env("COPPICE_SOCKET")
	}
	if sock != "" && filepath.Base(sock) != ipc.SocketName {
		return place{}, usagef("cannot make the socket %s: a daemon's socket is the file %s in its state folder; use --state DIR", sock, ipc.SocketName)
	}
	if sock != "" || a.state != "" || a.env("COPPICE_STATE") != "" {
		return a.place()
	}
	return beside(file), nil
}

// treeFile is the path of the tree file, for the commands that read it.
func (a *app) treeFile() (string, error) {
	if a.file != "" {
		return a.abs(a.file), nil
	}
	found, err := configs.Find(a.dir)
	if err != nil {
		return "", &usageError{err.Error()}
	}
	return found, nil
}

// abs is a path as seen from the working folder.
func (a *app) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(a.dir, path)
}
