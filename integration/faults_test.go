package integration

import (
	"os"
	"strings"
	"testing"
)

// A start that fails names the thing and the line of the tree file, wherever it is told.
func TestFailedStartsNameThingAndLine(t *testing.T) {
	for _, c := range []struct {
		name, keys string // keys begin in line 3
		want       []string
	}{
		{"missing program", `command = ["./nowhere"]`, []string{"/nowhere", "no such file", "(coppice.toml:3)"}},
		{"not in the PATH", "restart = \"transient\"\ncommand = [\"no-such-program\"]", []string{"no-such-program", "no such program", "(coppice.toml:4)"}},
		{"not executable", `command = ["./plain"]`, []string{"plain", "not executable", "(coppice.toml:3)"}},
		{"a directory", `command = ["./folder"]`, []string{"folder", "it is a directory", "(coppice.toml:3)"}},
		{"missing directory", "command = [\"true\"]\ndir = \"nowhere\"", []string{"nowhere", "does not exist", "(coppice.toml:4)"}},
		{"bad interpreter", `command = ["./script"]`, []string{"script", "/no/such/interpreter", "(coppice.toml:3)"}},
		{"no program", `command = ["./text"]`, []string{"text", "exec format error", "(coppice.toml:3)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "[process.ok]\ncommand = [\"sleep\", \"1000\"]\n")
			b.write("plain", "")
			b.write("text", "no program")
			b.write("script", "#!/no/such/interpreter\n")
			for _, name := range []string{"text", "script"} {
				if err := os.Chmod(b.path(name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(b.path("folder"), 0o700); err != nil {
				t.Fatal(err)
			}
			b.up()
			b.write("coppice.toml", "# moved\n[process.bad]\n"+c.keys+"\n[process.ok]\ncommand = [\"sleep\", \"1000\"]\n")
			reload := b.run("reload")
			if reload.code != 1 {
				t.Errorf("reload: exit code %d", reload.code)
			}
			for what, text := range map[string]string{
				"reload": reload.out + reload.errors, "start": b.run("start", "bad").errors, "why": b.must("why", "bad"),
				"events": b.must("events"), "events --json": b.must("events", "--json"),
			} {
				for _, want := range c.want {
					if !strings.Contains(text, want) {
						t.Errorf("%s does not say %q:\n%s", what, want, text)
					}
				}
			}
			b.write("coppice.toml", "[process.bad]\n\n"+c.keys+"\n")
			b.must("down")
			if up := b.run("up", "-d"); up.code != 1 || !strings.Contains(up.errors, c.want[len(c.want)-1]) {
				t.Errorf("up -d: exit code %d: %s", up.code, up.errors)
			}
		})
	}
}
