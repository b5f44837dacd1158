package supervisor

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// treeIDName is the file in the state folder that has the tree's id.
const treeIDName = "id"

// treeIDBytes is how long it is before it is written in hexadecimal digits.
const treeIDBytes = 8

// treeID is what the processes of the tree with this state folder are marked with:
// chosen by chance when the folder is used first, and gone with the folder, so that
// no process of another tree, an earlier one at the same place included, is ever
// taken for one of this.
func treeID(dir string) (string, error) {
	path := filepath.Join(dir, treeIDName)
	content, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(content)); err == nil && isTreeID(id) {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read the id of the tree: %w", err)
	}
	var chosen [treeIDBytes]byte
	rand.Read(chosen[:])
	id := hex.EncodeToString(chosen[:])
	if err := keepFile(dir, treeIDName, []byte(id+"\n")); err != nil {
		return "", fmt.Errorf("cannot write the id of the tree: %w", err)
	}
	return id, nil
}

func isTreeID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == treeIDBytes
}
