package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The unit that the documentation offers is one that systemd understands.
func TestUnitFile(t *testing.T) {
	needs(t, "systemd-analyze")
	unit, err := os.ReadFile("../docs/coppice.service")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "coppice.service")
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/coppice", binary) // which systemd looks for
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", path)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "coppice.service") {
		t.Errorf("%v\n%s", err, out)
	}
}
