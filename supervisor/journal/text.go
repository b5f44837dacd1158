package journal

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Arguments, variables and paths are any bytes but NUL; a string of JSON is
// UTF-8. So what is not UTF-8, or begins as the escape does, is written in
// base64 behind a NUL.
const escape = "\x00"

func formText(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, escape) {
		return s
	}
	return escape + base64.StdEncoding.EncodeToString([]byte(s))
}

func text(form string) (string, error) {
	code, escaped := strings.CutPrefix(form, escape)
	if !escaped {
		return form, nil
	}
	s, err := base64.StdEncoding.DecodeString(code)
	if err != nil {
		return "", fmt.Errorf("a text is not in base64: %v", err)
	}
	return string(s), nil
}

// mapped is a list of what f makes of each; nil stays nil, and empty empty: a
// process whose Process differs in that from the tree file's would be restarted.
func mapped[A, B any](list []A, f func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// tried is the same with an f that may fail.
func tried[A, B any](list []A, f func(A) (B, error)) ([]B, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]B, len(list))
	for i, v := range list {
		var err error
		if out[i], err = f(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}
