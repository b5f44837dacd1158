package process_test

import (
	"syscall"
	"testing"

	"coppice/supervisor/process"
	"coppice/tree"
)

// multitude is enough children for what is done otherwise in a crowd.
const multitude = 2100

// In a crowd every end is told once: of one that was told to end, of one that is hinted at, of
// one of which nothing is known, and of a job.
func TestEndsInACrowd(t *testing.T) {
	w := newWorld(t)
	idle := process.Command{Argv: []string{"/bin/sleep", "1000"}}
	pids, refs := map[tree.Ref]int{}, []tree.Ref{}
	for range multitude {
		ref, pid := w.start(idle)
		pids[ref] = pid
		refs = append(refs, ref)
	}
	for i, ref := range refs[:60] {
		switch i % 3 {
		case 0:
			w.Stop(ref, "", false)
		case 1:
			_ = syscall.Kill(pids[ref], syscall.SIGKILL)
			w.Hint(ref.ID)
		default:
			_ = syscall.Kill(pids[ref], syscall.SIGKILL)
		}
		w.exited(ref)
	}
	for _, ref := range refs[60:] {
		w.Kill(ref)
	}
	left := map[tree.Ref]bool{}
	for _, ref := range refs[60:] {
		left[ref] = true
	}
	for len(left) > 0 {
		ref := nextIs[process.Exited](w).Ref
		if !left[ref] {
			t.Errorf("%v has ended, and not once", ref)
		}
		delete(left, ref)
	}
}
