package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"coppice/configs"
)

func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	passwd := "root:x:0:0:root:/root:/bin/bash\nwww:x:33:34::/var/www:\n0day:x:0:0::/:/bin/sh\n" +
		"short:x:1\nhigh:x:4294967295:1::/:/bin/sh\nminus:x:-1:1::/:/bin/sh\nvm$:x:7:7::/vm:/bin/false"
	group := "root:x:0:\nwww:x:34:\nlogs:x:4:www,root\nssl:x:9:www\nbad:x:0x1:www\n"
	for name, text := range map[string]string{"passwd": passwd, "group": group} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := configs.ReadAccounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	www, err := a.User("www")
	equal(t, "www", www, configs.Account{Name: "www", UID: 33, GID: 34, Home: "/var/www"})
	byNumber, err2 := a.User("33")
	equal(t, "33", byNumber, www)
	nameless, err3 := a.User("1000")
	equal(t, "1000", nameless, configs.Account{UID: 1000})
	vm, err4 := a.User("vm$")
	equal(t, "vm$", vm.UID, uint32(7))
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Error(err)
	}
	equal(t, "groups", a.GroupsOf("www", 34), []uint32{4, 9, 34})
	equal(t, "groups of nobody", a.GroupsOf("", 34), []uint32{34})
	for _, word := range []string{"0day", "0x0", "-1", "4294967295", "65535", "", "short", "high", "minus", "00", "+1", " root", "root\n", "ROOT", "$"} {
		if u, err := a.User(word); !errors.Is(err, configs.ErrNoUser) {
			t.Errorf("%q is %+v, %v", word, u, err)
		}
		if n, err := a.Group(word); !errors.Is(err, configs.ErrNoGroup) {
			t.Errorf("group %q is %d, %v", word, n, err)
		}
	}
	if none, err := configs.ReadAccounts(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	} else if _, err := none.User("root"); !errors.Is(err, configs.ErrNoUser) {
		t.Error("a host without accounts has a root by name")
	}
}
