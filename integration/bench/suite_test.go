package main

import (
	"slices"
	"testing"
)

// What apt-get --simulate said of a peer whose libraries the machine lacks, and one of which it would renew.
const plan = `Reading package lists...
The following NEW packages will be installed:
  libs6-2.11 s6
Inst libs6-2.11 (2.11.3.2-1 Debian:12.15/oldstable [amd64])
Inst libc6 [2.36-9] (2.36-10 Debian:12.15/oldstable [amd64]) []
Inst s6 (1:2.11.3.2-1 Debian:12.15/oldstable [amd64])
Conf libs6-2.11 (2.11.3.2-1 Debian:12.15/oldstable [amd64])
`

func TestLackingPackages(t *testing.T) {
	wanted, version := lacking(plan, "s6")
	if want := []string{"libs6-2.11=2.11.3.2-1", "libc6=2.36-10", "s6=1:2.11.3.2-1"}; !slices.Equal(wanted, want) {
		t.Errorf("wanted %q, not %q", wanted, want)
	}
	if version != "1:2.11.3.2-1" {
		t.Errorf("version %q", version)
	}
	if _, version := lacking("0 upgraded, 0 newly installed\n", "s6"); version != "" {
		t.Errorf("nothing has version %q", version)
	}
}
