package configs_test

import (
	"testing"

	"coppice/configs"
	"coppice/tree"
)

func TestLog(t *testing.T) {
	c := load(t, `log = { max_size = "64KiB", max_files = 2, max_total = "2GB", compress = true, full = "drop", max_age = "168h" }
[process.plain]
command = "x"
[process.own]
command = "x"
log = { max_size = "4096B", compress = false, full = "block", split = true, max_age = "1s" }
[process.direct]
command = "x"
log = { mode = "direct", max_files = 3 }
`)
	equal(t, "total", c.LogTotal, int64(2e9))
	got := map[string]configs.Log{}
	for s := range c.Processes() {
		got[s.ID] = s.Start.(*configs.Process).Log
	}
	equal(t, "logs", got, map[string]configs.Log{
		"plain":  {MaxSize: 64 << 10, MaxFiles: 2, Compress: true, Drop: true, MaxAge: 168 * 3600 * tree.Second},
		"own":    {MaxSize: 4096, MaxFiles: 2, Split: true, MaxAge: tree.Second},
		"direct": {Direct: true, MaxSize: 64 << 10, MaxFiles: 3},
	})
}

func TestLogByDefault(t *testing.T) {
	want := configs.Log{MaxSize: 16 << 20, MaxFiles: 8}
	_, p, _ := loadProcess(t, good)
	equal(t, "log", p.Log, want)
	c, err := configs.Parse("/srv/shop/Procfile", []byte("web: x\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "log of a Procfile's", c.Spec.Children[0].Start.(*configs.Process).Log, want)
	equal(t, "total", c.LogTotal, int64(0))
}

// Sizes at the ends of what is allowed.
func TestLogSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"4096B": 4096, "4KiB": 4 << 10, "5KB": 5000, "2MB": 2e6, "1MiB": 1 << 20, "1GB": 1e9, "3GiB": 3 << 30,
		"1TB": 1e12, "1TiB": 1 << 40, "1024TiB": 1 << 50, "1125899906842624B": 1 << 50, "0004KiB": 4 << 10,
	} {
		_, p, _ := loadProcess(t, good+"log = { max_size = \""+text+"\" }\n")
		if p.Log.MaxSize != want {
			t.Errorf("%s is %d, want %d", text, p.Log.MaxSize, want)
		}
	}
}
