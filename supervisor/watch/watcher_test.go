package watch_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/supervisor/watch"
)

// fixture is a watcher on a folder, and what it told.
type fixture struct {
	*testing.T
	*watch.Watcher
	dir   string
	fired chan string
}

// begin watches a new folder. The name "end" has the file end.txt: what is told
// before it is all that the changes before it caused.
func begin(t *testing.T, globs ...string) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir(), fired: make(chan string, 100)}
	w, err := watch.New(func(name string) { f.fired <- name }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	f.Watcher = w
	f.place(globs...)
	return f
}

// place sets the globs of "api" and waits until they are in place.
func (f *fixture) place(globs ...string) {
	<-f.Set(map[string]watch.Patterns{
		"api": {Dir: f.dir, Globs: globs},
		"end": {Dir: f.dir, Globs: []string{"end.txt"}},
	})
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) write(name string) {
	f.Helper()
	if err := os.WriteFile(f.path(name), []byte(fmt.Sprint(time.Now().UnixNano())), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) mkdir(name string) {
	f.Helper()
	if err := os.MkdirAll(f.path(name), 0o700); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) rename(from, to string) {
	f.Helper()
	if err := os.Rename(f.path(from), f.path(to)); err != nil {
		f.Fatal(err)
	}
}

// wait waits until "api" is told, and until all is told that has changed so far.
func (f *fixture) wait() {
	f.Helper()
	if got := <-f.fired; got != "api" {
		f.Fatalf("told %q, want api", got)
	}
	f.settle()
}

// settle waits until all is told that has changed so far, and returns how often
// "api" was told. Bursts are told in the order of their ends.
func (f *fixture) settle() (told int) {
	f.Helper()
	f.write("end.txt")
	for <-f.fired != "end" {
		told++
	}
	return told
}

// silence checks that nothing of "api" has changed since it was last settled.
func (f *fixture) silence() {
	f.Helper()
	if told := f.settle(); told != 0 {
		f.Fatal("told of files that are not watched")
	}
}

func TestFilesThatMatch(t *testing.T) {
	f := begin(t, "**/*.go", "one.txt", "sub/*.css", "data/.secret/*")
	for _, folder := range []string{"a/b", "sub/deep", "data/.secret", ".git", "a/node_modules", ".coppice"} {
		f.mkdir(folder)
	}
	f.silence()
	for _, name := range []string{"main.go", "a/x.go", "a/b/x.go", "one.txt", "sub/x.css", "data/.secret/key", ".hidden.go"} {
		f.write(name)
		f.wait()
	}
	for _, name := range []string{"main.c", "a/one.txt", "sub/deep/x.css", "x.css", ".git/x.go", "a/node_modules/x.go", ".coppice/x.go"} {
		f.write(name)
	}
	f.silence()
}

func TestHiddenFolderThatIsNamedAnywhere(t *testing.T) {
	f := begin(t, "**/.config/*.json")
	f.mkdir("a/.config")
	f.mkdir("a/.other")
	f.write("a/.config/x.json")
	f.wait()
	f.write("a/.other/x.json")
	f.silence()
}

func TestNewNestedFolderWithItsFilesAtOnce(t *testing.T) {
	f := begin(t, "**/*.go")
	for i := range 5 {
		f.mkdir(fmt.Sprintf("n%d/a/b/c", i))
		f.write(fmt.Sprintf("n%d/a/b/c/x.go", i))
		f.wait()
		f.write(fmt.Sprintf("n%d/a/b/c/x.go", i))
		f.wait()
	}
}

func TestFolderMovedInAndAway(t *testing.T) {
	f := begin(t, "in/**/*.go")
	f.mkdir("in")
	f.mkdir("out/deep")
	f.write("out/deep/x.go")
	f.silence()
	f.rename("out", "in/out")
	f.wait()
	f.write("in/out/deep/x.go")
	f.wait()
	f.rename("in/out", "in/new")
	f.wait()
	f.write("in/new/deep/x.go")
	f.wait()
	f.rename("in/new", "away")
	f.wait()
	f.write("away/deep/x.go")
	f.silence()
}

func TestRootThatComesAndGoes(t *testing.T) {
	f := begin(t, "build/out/*.js")
	for range 3 {
		f.mkdir("build/out")
		f.write("build/out/x.js")
		f.wait()
		if err := os.RemoveAll(f.path("build")); err != nil {
			t.Fatal(err)
		}
		f.wait()
	}
}

func TestHowEditorsSave(t *testing.T) {
	f := begin(t, "tree.toml")
	f.write("tree.toml")
	f.wait()
	for range 3 {
		// Write beside it and rename over it.
		f.write(".tree.toml.tmp")
		f.rename(".tree.toml.tmp", "tree.toml")
		f.wait()
		// Rename it away and write it anew.
		f.rename("tree.toml", "tree.toml~")
		f.write("tree.toml")
		f.wait()
		// Truncate and write.
		f.write("tree.toml")
		f.wait()
	}
	if err := os.Remove(f.path("tree.toml")); err != nil {
		t.Fatal(err)
	}
	f.wait()
}

func TestTouchCountsAndChmodDoesNot(t *testing.T) {
	f := begin(t, "x.go")
	f.write("x.go")
	f.wait()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.path("x.go"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.path("x.go"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.silence()
	if err := os.Chtimes(f.path("x.go"), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	f.wait()
}

func TestBurstIsOneCallInWallTime(t *testing.T) {
	f := begin(t, "*.go")
	begun := time.Now()
	for i := range 500 {
		f.write(fmt.Sprintf("x%d.go", i%50))
	}
	took := time.Since(begun)
	// Were the writes held up by a busy machine, there are as many bursts.
	if told := f.settle(); told < 1 || told > 1+int(took/(100*time.Millisecond)) {
		t.Errorf("told %d times within %v", told, took)
	}
}

// Changes that never pause are told all the same.
func TestEndlessBurstIsToldAfterASecondInWallTime(t *testing.T) {
	f := begin(t, "*.go")
	begun := time.Now()
	for {
		f.write("x.go")
		select {
		case <-f.fired:
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("told after %v", took)
			}
			return
		default:
		}
	}
}

func TestSetReplaces(t *testing.T) {
	f := begin(t, "*.go")
	f.mkdir("sub")
	f.place("sub/*.c")
	f.write("x.go")
	f.write("sub/x.c")
	f.wait()
	f.silence()
	f.place()
	f.write("sub/x.c")
	f.silence()
}

func TestManyNamesOneGlob(t *testing.T) {
	f := begin(t)
	wish := map[string]watch.Patterns{}
	for i := range 50 {
		wish[fmt.Sprint("p", i)] = watch.Patterns{Dir: f.dir, Globs: []string{"**/*.go", "*.go"}}
	}
	<-f.Set(wish)
	f.write("x.go")
	told := map[string]int{}
	for range wish {
		told[<-f.fired]++
	}
	if len(told) != len(wish) {
		t.Errorf("%d names told, want %d", len(told), len(wish))
	}
}

func TestPathsOutsideOfDir(t *testing.T) {
	f := begin(t)
	f.mkdir("project [1]")
	f.mkdir("common")
	<-f.Set(map[string]watch.Patterns{
		"relative": {Dir: f.path("project [1]"), Globs: []string{"../common/*.go"}},
		"absolute": {Dir: f.path("project [1]"), Globs: []string{f.path("common") + "/*.c"}},
		"odd":      {Dir: f.path("project [1]"), Globs: []string{"*.go"}},
		"escaped":  {Dir: "/", Globs: []string{f.path(`project \[1\]`) + `/tree\{1\}.toml`}},
	})
	for file, name := range map[string]string{"common/x.go": "relative", "common/x.c": "absolute", "project [1]/x.go": "odd", "project [1]/tree{1}.toml": "escaped"} {
		f.write(file)
		for got := range f.fired {
			if got == name {
				break
			}
		}
	}
}

// More events than the kernel queues: the changes are told nonetheless, and what
// comes later is seen.
func TestOverflow(t *testing.T) {
	queue, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip("no inotify limits here: ", err)
	}
	var events int
	fmt.Sscan(string(queue), &events)
	if events > 100_000 {
		t.Skipf("the queue holds %d events, too many to fill in a test", events)
	}
	blocked, release := make(chan struct{}), make(chan struct{})
	fired := make(chan string, 10)
	first := true
	w, err := watch.New(func(name string) {
		if first {
			first = false
			close(blocked)
			<-release
		}
		fired <- name
	}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f := &fixture{T: t, Watcher: w, dir: t.TempDir(), fired: fired}
	f.place("**/*.go")
	f.write("x.go")
	<-blocked // the watcher does not read now
	f.mkdir("a")
	f.mkdir("b")
	// Events that are equal to the one before them are merged, so take turns.
	for range events/2 + 1000 {
		for _, name := range []string{"a", "b"} {
			if err := os.Chtimes(f.path(name), time.Time{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.mkdir("lost/sub")
	f.write("lost/sub/x.go")
	close(release)
	seen := map[string]bool{}
	for !seen["api"] || !seen["end"] { // an overflow tells every name
		seen[<-fired] = true
	}
	for len(fired) > 0 {
		<-fired
	}
	f.write("lost/sub/x.go")
	for name := range fired {
		if name == "api" {
			break
		}
	}
}

// TestMain lets this binary run a test again where it may set limits.
func TestMain(m *testing.M) {
	if os.Getenv("WATCH_TEST_CHILD") != "" {
		if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("3"), 0); err != nil {
			fmt.Println("skip:", err)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// The limit is that of a user namespace of its own, so nobody else has to do
// with it.
func TestWatchLimitIsToldInWords(t *testing.T) {
	if os.Getenv("WATCH_TEST_CHILD") == "" {
		inUserNamespace(t)
		return
	}
	dir := t.TempDir()
	for i := range 10 {
		os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700)
	}
	troubles := make(chan error, 10)
	w, err := watch.New(func(string) {}, func(err error) { troubles <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	<-w.Set(map[string]watch.Patterns{"api": {Dir: dir, Globs: []string{"**"}}})
	if err := <-troubles; !strings.Contains(err.Error(), "fs.inotify.max_user_watches allows") {
		t.Error(err)
	}
	if len(troubles) > 0 {
		t.Errorf("told again: %v", <-troubles)
	}
}

// inUserNamespace runs the calling test in a child with a user namespace.
func inUserNamespace(t *testing.T) {
	t.Helper()
	child := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "WATCH_TEST_CHILD=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || strings.HasPrefix(string(out), "skip:") {
		t.Skipf("no user namespace with limits of its own here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
