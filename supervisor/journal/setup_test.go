package journal

import (
	"testing"

	"coppice/configs"
	"coppice/tree"
)

// What a tree file says of a set-up is the same after a journal: else a reload after a
// crash would restart what has not changed. Nothing and an empty list are two things.
func TestSetupsAreCarried(t *testing.T) {
	for _, keys := range []string{
		"", "groups = []", "capabilities = []\nambient = []", "read_only = []", "rlimits = {}", "secret = {}",
		"no_new_privs = false", "umask = \"0\"\nnice = 0\noom_score_adj = 0", "landlock = { bind = [] }", "landlock = { read_only = [] }",
		"sandbox = \"strict\"", "syscalls = { allow = [\"read\"] }", "rlimits = { core = 0, nofile = \"infinity\" }",
		"sched = \"other\"\nionice = \"idle\"\ncpu_affinity = [0]\nsecret = { A = { file = \"a\" } }",
	} {
		config, err := configs.Parse("/srv/coppice.toml", []byte("[process.p]\ncommand = \"x\"\n"+keys+"\n"), nil)
		must(t, err)
		checkTrip(t, State{Config: config, Tree: tree.Saved{Starts: []any{nil}}})
	}
}
