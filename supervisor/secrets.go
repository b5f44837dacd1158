package supervisor

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"coppice/supervisor/trampoline"
)

// secretMax is how much of a secret's file is looked at: no secret is bigger.
const secretMax = 1 << 20

// masked is what a command has written without its secrets, for it is told and written
// down. Their files are read only for that, and only when there is something to tell. A
// secret that cannot be read cannot be found, so then nothing is told.
func masked(output []byte, secrets []trampoline.Secret) []byte {
	if len(output) == 0 {
		return output
	}
	var words [][]byte
	for _, s := range secrets {
		content, err := readSecret(s.File)
		if err != nil {
			return fmt.Appendf(nil, "(what it wrote is not shown: the secret %s cannot be read, to keep it out of that)", s.Name)
		}
		content = bytes.TrimSpace(content)
		words = append(words, content)
		for line := range bytes.Lines(content) {
			words = append(words, bytes.TrimSpace(line)) // one line is told alone
		}
	}
	slices.SortFunc(words, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	for _, word := range words {
		if len(word) > 0 {
			output = bytes.ReplaceAll(output, word, []byte("***"))
		}
	}
	return output
}

// readSecret reads the file of a secret; it waits for nobody to write it.
func readSecret(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, secretMax))
}
