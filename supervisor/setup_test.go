package supervisor

import (
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"

	"coppice/configs"
	"coppice/supervisor/trampoline"
)

const (
	passes     = 0x7fff0000
	fails      = 0x00050001 // EPERM
	noSuchCall = 0x00050026 // ENOSYS, of the x32 ABI
)

// run is what a filter says of a system call. It sees struct seccomp_data; bpf.VM loads
// words as a network has them, and the kernel as the machine does.
func run(t *testing.T, filter []trampoline.Instruction, machine, number uint32) int {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(filter))
	for i, in := range filter {
		raw[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter is not a program")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data, number)
	binary.BigEndian.PutUint32(data[4:], machine)
	said, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// A filter refuses what it says, and whatever comes by another ABI, where a number means
// another call.
func TestFilter(t *testing.T) {
	info, err := arch.GetInfo("")
	if err != nil {
		t.Skip(err)
	}
	here, other := uint32(info.ID), uint32(arch.I386.ID)
	number := func(name string) uint32 { return uint32(info.SyscallNames[name]) }
	deny, err1 := filterOf(&configs.Syscalls{Deny: true, Names: configs.SyscallSet("@service")})
	allow, err2 := filterOf(&configs.Syscalls{Names: []string{"read", "execve"}})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for _, c := range []struct {
		what            string
		filter          []trampoline.Instruction
		machine, number uint32
		want            int
	}{
		{"denied", deny, here, number("mount"), fails},
		{"the first denied", deny, here, number("acct"), fails},
		{"the last denied", deny, here, number("vmsplice"), fails},
		{"not denied", deny, here, number("read"), passes},
		{"another ABI, denied", deny, other, 21, fails},
		{"another ABI, not denied", deny, other, 3, fails},
		{"allowed", allow, here, number("read"), passes},
		{"always allowed", allow, here, number("exit_group"), passes},
		{"not allowed", allow, here, number("mount"), fails},
		{"another ABI, allowed", allow, other, 3, fails},
	} {
		if got := run(t, c.filter, c.machine, c.number); got != c.want {
			t.Errorf("%s: %#x, expected %#x", c.what, got, c.want)
		}
	}
	if info.ID == arch.X86_64.ID {
		if got := run(t, deny, here, number("mount")|0x40000000); got != noSuchCall {
			t.Errorf("x32: %#x", got)
		}
	}
	if filter, err := filterOf(nil); filter != nil || err != nil {
		t.Error(filter, err)
	}
}
