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
	if errors.Is(err, fs.ErrNotExist) {
		// Many may be started at once, and have no lock yet: the first one chooses.
		first, err := claimID(path, id)
		if err == nil && isTreeID(first) {
			return first, nil
		}
	}
	if err := keepFile(dir, treeIDName, []byte(id+"\n")); err != nil {
		return "", fmt.Errorf("cannot write the id of the tree: %w", err)
	}
	return id, nil
}

// claimID makes the file with an id, whole or not at all, and returns the one that is in
// it: another one's, if that was faster. It fails where files cannot be linked.
func claimID(path, id string) (string, error) {
	own := path + "." + id
	if err := os.WriteFile(own, []byte(id+"\n"), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(own)
	if err := os.Link(own, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

func isTreeID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == treeIDBytes
}
