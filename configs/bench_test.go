package configs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"coppice/configs"
)

// bigTree is a tree file of so many processes under supervisors of 100 each.
func bigTree(processes int) []byte {
	var b strings.Builder
	root, group := []string{}, []string{}
	for i := range processes {
		name := fmt.Sprintf("worker-%05d", i)
		fmt.Fprintf(&b, "[process.%s]\ncommand = [\"./bin/worker\", \"--id\", \"%d\", \"${HOME:-/}\"]\ndir = \"work\"\n", name, i)
		fmt.Fprintf(&b, "env = { PORT = \"%d\", ID = \"w%d\" }\nrestart = \"transient\"\nshutdown = \"30s\"\n", 1024+i%60000, i)
		fmt.Fprintf(&b, "success = [0, \"3-5\", \"SIGTERM\"]\n\n")
		if group = append(group, fmt.Sprintf("%q", name)); len(group) == 100 || i == processes-1 {
			name := fmt.Sprintf("pool-%03d", i/100)
			fmt.Fprintf(&b, "[supervisor.%s]\nchildren = [%s]\n\n", name, strings.Join(group, ", "))
			root, group = append(root, fmt.Sprintf("%q", name)), nil
		}
	}
	fmt.Fprintf(&b, "[supervisor.root]\nchildren = [%s]\n", strings.Join(root, ", "))
	return []byte(b.String())
}

func BenchmarkParse10000(b *testing.B) {
	src := bigTree(10_000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := configs.Parse("coppice.toml", src, os.Environ()); err != nil {
			b.Fatal(err)
		}
	}
}
