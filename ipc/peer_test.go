package ipc

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyTheDaemonsUserAndRootMaySpeak(t *testing.T) {
	us := uint32(os.Geteuid())
	tests := map[peer]bool{
		{}:                             false,
		{uid: us, known: true}:         true,
		{uid: 0, known: true}:          true,
		{uid: us + 12345, known: true}: false,
		{uid: 65534, known: true}:      us == 65534,
		{uid: 0, known: false}:         false,
	}
	for p, want := range tests {
		if p.may() != want {
			t.Errorf("%+v may: %v, want %v", p, p.may(), want)
		}
		// Every route asks the one gate, also those to come.
		for _, r := range routes {
			req := httptest.NewRequest(r.method, r.path, nil)
			req.Host = "coppice"
			err := admit(req.WithContext(withPeer(req.Context(), p)))
			if (err == nil) != want {
				t.Errorf("%s %s by %+v: %v", r.method, r.path, p, err)
			}
			if refusal, ok := errors.AsType[*Error](err); !want && (!ok || refusal.Code != CodeForbidden) {
				t.Errorf("%s %s by %+v: %v, want forbidden", r.method, r.path, p, err)
			}
		}
	}
}

// Where /proc is not mounted, bind and connect work from inside the folder.
func TestInsideWorksWithoutProc(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before, _ := os.Getwd()
	err = f.inside(func() error { return os.WriteFile("here", nil, 0o600) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "here")); err != nil {
		t.Error(err)
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("the working folder is %s now", after)
	}
}
