package journal

import (
	"fmt"

	"coppice/tree"
)

// choice is one of the core's numbered sets, whose String is the word for it.
type choice interface {
	tree.Strategy | tree.RestartType | tree.AutoShutdown | tree.ChildType | tree.Readiness
	fmt.Stringer
}

// unknown is the word of a number outside of its set.
const unknown = "unknown"

// formWord is the word for a choice, which stays the same when the set grows;
// empty for the first of the set.
func formWord[C choice](c C) (string, error) {
	word := c.String()
	switch {
	case c == 0:
		return "", nil
	case word == unknown:
		return "", fmt.Errorf("%d is no %T", c, c)
	}
	return word, nil
}

// word is the choice that a word stands for.
func word[C choice](form string) (C, error) {
	for c := C(0); c.String() != unknown; c++ {
		if c == 0 && form == "" || c.String() == form {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%.20q is no %T", form, C(0))
}
