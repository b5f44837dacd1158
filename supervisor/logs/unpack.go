package logs

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// unpackedMax is how many compressed files a view unpacks at once: each takes
// about 60 KB. One more and the oldest begins again when it is its turn.
const unpackedMax = 64

// unpacker reads a compressed segment forwards.
type unpacker struct {
	path string
	gz   *gzip.Reader
	at   int64 // how many bytes are unpacked
}

func newUnpacker(path string) (*unpacker, error) {
	gz, err := gzip.NewReader(bufio.NewReaderSize(&reopened{path: path}, 16<<10))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an empty file
	}
	if err != nil {
		return nil, err
	}
	return &unpacker{path: path, gz: gz}, nil
}

// readAt fills b from an offset on that is not before those of earlier calls.
// With io.EOF b holds the last bytes.
func (u *unpacker) readAt(b []byte, offset int64) (int, error) {
	if offset > u.at {
		n, err := io.CopyN(io.Discard, u.gz, offset-u.at)
		if u.at += n; err != nil {
			return 0, err
		}
	}
	n := 0
	var err error
	for n < len(b) && err == nil {
		var some int
		some, err = u.gz.Read(b[n:])
		n += some
	}
	u.at += int64(n)
	return n, err
}

// unpackFault says that the content of a compressed file is wrong.
func unpackFault(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF)
}

// reopened reads a file from its beginning and opens it for each block, so that
// it keeps no descriptor.
type reopened struct {
	path   string
	offset int64
}

// Read implements io.Reader.
func (r *reopened) Read(b []byte) (int, error) {
	file, _, err := openRegular(r.path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	n, err := file.ReadAt(b, r.offset)
	r.offset += int64(n)
	return n, err
}

// unpackers are the chains of a view that unpack something, the oldest first.
type unpackers []*chain

// add makes room for one more.
func (all *unpackers) add(c *chain) {
	if len(*all) == unpackedMax {
		(*all)[0].drop()
	}
	*all = append(*all, c)
}

func (all *unpackers) remove(c *chain) {
	*all = slices.DeleteFunc(*all, func(other *chain) bool { return other == c })
}

// gone says that a segment is not there, or something else is in its place: it
// has no bytes that could be read.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, errNotRegular) || errors.Is(err, unix.ELOOP)
}
