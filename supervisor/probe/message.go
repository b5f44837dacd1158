package probe

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

const (
	// messageMax is how many bytes of a message are heard.
	messageMax = 4 << 10
	// statusMax is how many bytes of a status are kept.
	statusMax = 256
	// passedMax is how many descriptors one message can bring (SCM_MAX_FD).
	passedMax = 253
)

// notice is what a message said, of what is wanted to be known.
type notice struct {
	ready, reloading, stopping bool
	status                     *string
	mainPID                    int
	extend                     tree.Time
	watchdog, trigger          bool
	watchdogSpan               time.Duration
	storing
}

// parseNotice reads lines of the form KEY=VALUE. What it does not know or cannot
// read is ignored: the sender is a program that may be newer than this one, or
// hostile.
func parseNotice(data []byte) notice {
	var said notice
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		key, value, _ := bytes.Cut(bytes.TrimRight(line, "\r\x00"), []byte("="))
		switch string(key) {
		case "READY":
			said.ready = said.ready || string(value) == "1"
		case "RELOADING":
			said.reloading = said.reloading || string(value) == "1"
		case "STOPPING":
			said.stopping = said.stopping || string(value) == "1"
		case "STATUS":
			status := cleanStatus(value)
			said.status = &status
		case "MAINPID":
			said.mainPID = int(parseNumber(value, math.MaxInt32))
		case "EXTEND_TIMEOUT_USEC":
			said.extend = tree.Time(1000 * parseNumber(value, spanMax))
		case "WATCHDOG":
			said.watchdog = said.watchdog || string(value) == "1"
			said.trigger = said.trigger || string(value) == "trigger"
		case "WATCHDOG_USEC":
			said.watchdogSpan = time.Duration(1000 * parseNumber(value, spanMax))
		default:
			said.hear(string(key), string(value))
		}
	}
	return said
}

// spanMax is the longest span, in microseconds, that is taken seriously: 100 days.
const spanMax = 100 * 24 * 3600 * 1e6

// parseNumber reads a number from 1 up to most; 0: it is none.
func parseNumber(value []byte, most int64) int64 {
	number, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || number < 1 || number > most {
		return 0
	}
	return number
}

// cleanStatus makes one short line of valid text without control characters.
func cleanStatus(value []byte) string {
	text := string(bytes.ToValidUTF8(value[:min(len(value), statusMax)], []byte("\uFFFD")))
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
	for len(text) > statusMax {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return strings.TrimSpace(text)
}

// receive reads one message without waiting. Of one that is too long only the
// whole lines of its beginning are heard. The descriptors that came with it are the
// caller's.
func receive(fd int) ([]byte, sender, []int, error) {
	var data [messageMax]byte
	control := make([]byte, unix.CmsgSpace(passedMax*4)+unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, controls, flags, _, err := unix.Recvmsg(fd, data[:], control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, sender{}, nil, err
		}
		from, fds := openControls(control[:controls])
		heard := data[:n]
		if flags&unix.MSG_TRUNC != 0 {
			heard = heard[:bytes.LastIndexByte(heard, '\n')+1]
		}
		return heard, from, fds, nil
	}
}

// openControls finds the sender's credentials and the descriptors that it passes.
func openControls(control []byte) (from sender, fds []int) {
	from = sender{uid: -1}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return from, nil
	}
	for _, m := range messages {
		if some, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, some...)
		} else if who, err := unix.ParseUnixCredentials(&m); err == nil {
			from = sender{pid: int(who.Pid), uid: int(who.Uid)}
		}
	}
	return from, fds
}
