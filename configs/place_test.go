package configs_test

import (
	"testing"

	"coppice/configs"
)

func TestPlaces(t *testing.T) {
	file := load(t, "\ufeffname = \"shop\"\n[process.\"a.b\"]\ncommand = [\n\"x\"]\nlog = { max_files = 2 }\n\n[process]\nc.command = \"y\"\n"+
		"[process.d]\ncommand = 'z'\n[process.d.env]\nA = \"1\"\n")
	procfile, err := configs.Parse("/srv/Procfile.dev", []byte("# web\nweb: x\n\n db : y\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	unreadable := &configs.Config{Path: "/srv/coppice.toml", Source: []byte("[[[")}
	for _, c := range []struct {
		config             *configs.Config
		process, key, want string
	}{
		{file, "a.b", "command", "coppice.toml:3"},
		{file, "a.b", "log.max_files", "coppice.toml:5"},
		{file, "a.b", "log.max_size", "coppice.toml:5"},
		{file, "a.b", "dir", "coppice.toml:2"},
		{file, "c", "command", "coppice.toml:8"},
		{file, "d", "env.A", "coppice.toml:12"},
		{file, "e", "command", ""},
		{procfile, "web", "command", "Procfile.dev:2"},
		{procfile, "db", "dir", "Procfile.dev:4"},
		{procfile, "x", "", ""},
		{unreadable, "x", "command", ""},
		{&configs.Config{}, "x", "command", ""},
	} {
		if got := configs.PlacesOf(c.config).At(c.process, c.key); got != c.want {
			t.Errorf("%s of %s stands at %q: expected %q", c.key, c.process, got, c.want)
		}
	}
}
