package process_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
)

func TestAllSignalsHaveAName(t *testing.T) {
	names := map[string]syscall.Signal{}
	for n := syscall.Signal(1); n <= 64; n++ {
		name := process.SignalName(n)
		if other, ok := names[name]; ok {
			t.Errorf("%d and %d are both %s", n, other, name)
		}
		names[name] = n
		if back, ok := process.SignalNumber(name); !ok || back != n {
			t.Errorf("%d is %s, which is %d, %v", n, name, back, ok)
		}
		if n < 32 && name != unix.SignalName(n) {
			t.Errorf("%d is %s, want %s", n, name, unix.SignalName(n))
		}
	}
}

func TestSignalNumber(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"SIGTERM": 15, "SIGRTMIN": 34, "SIGRTMIN+0": 34, "SIGRTMIN+3": 37, "SIGRTMIN+30": 64,
		"SIGRTMAX": 64, "SIGRTMAX-1": 63, "SIGRTMAX-30": 34, "SIGPOLL": 29, "SIGIO": 29, "SIGIOT": 6, "SIGCLD": 17,
		"SIGRTMIN-2": 32,
		"":           0, "TERM": 0, "SIGterm": 0, "15": 0, "SIGRTMIN3": 0, "SIGRTMIN+": 0, "SIGRTMIN+31": 0,
		"SIGRTMAX+1": 0, "SIGRTMAX-33": 0, "SIGRTMIN-3": 0, "SIGRTMIN+-3": 0, "SIGFOO": 0, "SIGRTMIN+ 3": 0,
		"SIGRTMIN+99999999999999999999": 0,
	} {
		got, ok := process.SignalNumber(name)
		if got != want || ok != (want != 0) {
			t.Errorf("%q is %d, %v; want %d", name, got, ok, want)
		}
	}
	if name := process.SignalName(37); name != "SIGRTMIN+3" {
		t.Errorf("37 is %s", name)
	}
}
