//go:build crash

package logs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// crashPoints are the steps of this package at which a kill is interesting.
var crashPoints = []string{
	"move.noted", "move.moved", "rotate.created", "rotate.pointed",
	"compress.written", "compress.renamed", "compress.removed",
}

// A store that is killed at each step loses nothing, and the next one brings its
// files in order.
func TestKilledAtEachStep(t *testing.T) {
	for _, point := range crashPoints {
		t.Run(point, func(t *testing.T) {
			m := newMovers(t, "4096z", "a")
			stop := make(chan struct{})
			var all strings.Builder
			var writer sync.WaitGroup
			writer.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					line := fmt.Sprintf("line %d\n", i)
					m.ends[0].WriteString(line)
					all.WriteString(line)
				}
			})
			for range 20 {
				token := filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(token, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				m.env = []string{"COPPICE_CRASH=" + point + ":" + token}
				child, _ := m.begin()
				child.Wait()
				if _, err := os.Stat(token); err == nil {
					t.Fatal("the step was not taken")
				}
			}
			close(stop)
			m.env = nil
			_, end := m.begin()
			writer.Wait()
			end()
			if got := string(captured(t, m.dir, "a")); got != all.String() {
				t.Errorf("%d bytes captured, want %d", len(got), all.Len())
			}
			checkFiles(t, m.dir, "a", killedLog("4096z"))
		})
	}
}
