package supervisor

import (
	"fmt"
	"strings"
	"testing"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/probe"
	"coppice/tree"
)

// BenchmarkView is what the loop does for one `coppice status` of a tree whose
// processes all run.
func BenchmarkView(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		r := running(b, n)
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			for b.Loop() {
				var t ipc.Tree
				status := r.tree.Status()
				viewer{r, r.wall(0)}.fill(&t.Root, &status)
			}
		})
	}
}

// running is as much of a daemon as it takes to tell of n processes.
func running(b *testing.B, n int) *runtime {
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "[process.p%d]\ncommand = 'x'\n", i)
	}
	config, err := configs.Parse("/coppice.toml", []byte(file.String()), nil)
	if err != nil {
		b.Fatal(err)
	}
	r := &runtime{notify: &probe.Notify{}, stored: &fdStore{}, tree: tree.New(config.Spec, tree.Options{})}
	r.config = config
	out := r.tree.Step(1, tree.Boot{})
	for pid := 100; len(out.Actions) > 0; pid++ {
		out = r.tree.Step(1, tree.Started{Ref: out.Actions[0].(tree.Start).Ref, PID: pid})
	}
	return r
}
