package main

import (
	"encoding/json"
	"testing"
)

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext":            "plain\ttext",
		"ünï 漢字 🌲":               "ünï 漢字 🌲",
		"\x1b[1;31mred\x1b[0m":   "red",
		"\x1b]52;c;ZXZpbA==\x07": `\x1b]52;c;ZXZpbA==\x07`,
		"\x1b[2Jgone":            `\x1b[2Jgone`,
		"over\rwritten":          `over\x0dwritten`,
		"windows\r":              "windows",
		"a\u202eb\u200bc\u2028d": `a\u202eb\u200bc\u2028d`,
		"\u009b31m":              `\u009b31m`,
		"\xff\xfe":               `\xff\xfe`,
		"nul\x00del\x7f":         `nul\x00del\x7f`,
	} {
		if got := safe(text); got != want {
			t.Errorf("safe(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSafeJSONSaysTheSame(t *testing.T) {
	text := "a\u009bb\u202ec\x7fd\n🌲漢"
	plain, _ := json.Marshal(map[string]string{"text": text})
	safe := safeJSON(plain)
	var got map[string]string
	if err := json.Unmarshal(safe, &got); err != nil || got["text"] != text {
		t.Errorf("%s: %q, %v", safe, got["text"], err)
	}
	for _, r := range string(safe) {
		if !shown(r) {
			t.Errorf("%s has %U", safe, r)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("\x1b[31m\x1b\x1b[m[2J")
	f.Add("\u202e\xff\r\r")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range safe(text) {
			if !shown(r) {
				t.Errorf("safe(%q) has %U", text, r)
			}
		}
	})
}
