package ipc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Code says what kind of refusal an Error is; the client turns it into an exit
// code.
type Code string

// The codes of errors.
const (
	CodeRefused   Code = "refused"   // exit 1
	CodeForbidden Code = "forbidden" // exit 1: the peer may not speak
	CodeBadTree   Code = "bad_tree"  // exit 2: Faults has the tree file's faults as text
	CodeBadInput  Code = "bad_input" // exit 2: the request itself is wrong
	CodeNoNode    Code = "no_node"   // exit 4
	CodeEnded     Code = "ended"     // exit 3: there is a daemon for a moment more, and no tree
	CodeInternal  Code = "internal"  // exit 1
)

// Error is a refusal, sent as application/problem+json (RFC 9457).
type Error struct {
	Code Code
	// Title says in one line what was refused and what to do.
	Title string
	// Faults is the text of a wrong tree file's faults, ready to print.
	Faults string
	// Status is the HTTP status; 0 is that of Code.
	Status int
}

func (e *Error) Error() string { return e.Title }

// HasEnded says that a daemon has refused something because its tree has ended: it is about
// to end, too.
func HasEnded(err error) bool {
	refusal, refused := errors.AsType[*Error](err)
	return refused && refusal.Code == CodeEnded
}

// ErrNoDaemon is the error of a Client when nobody listens at its socket.
var ErrNoDaemon = errors.New("no daemon runs for this tree")

// ErrDaemonGone is the error of a Client when the daemon ended, or cut the
// stream, before its answer was complete.
var ErrDaemonGone = errors.New("the daemon went away before its answer was complete")

// HeldError is the error of Listen when another daemon has the state folder.
type HeldError struct {
	Dir string
	PID int // 0 when it is not known
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("cannot use the state folder %s: another daemon has it", e.Dir)
	}
	return fmt.Sprintf("cannot use the state folder %s: the daemon with pid %d has it", e.Dir, e.PID)
}

// problem is an Error on the wire. Title is that of the code, as RFC 9457
// wants it; what happened this time stands in Detail.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   Code   `json:"code"`
	Faults string `json:"faults,omitempty"`
}

// kind gives each code its title and its HTTP status.
func kind(c Code) (title string, status int) {
	switch c {
	case CodeRefused:
		return "The request was refused", http.StatusConflict
	case CodeEnded:
		return "The tree has ended", http.StatusConflict
	case CodeForbidden:
		return "This peer may not speak to the daemon", http.StatusForbidden
	case CodeBadTree:
		return "The tree file is wrong", http.StatusUnprocessableEntity
	case CodeBadInput:
		return "The request is wrong", http.StatusBadRequest
	case CodeNoNode:
		return "There is no such node", http.StatusNotFound
	default:
		return "The daemon failed", http.StatusInternalServerError
	}
}

func badInput(status int, format string, args ...any) *Error {
	return &Error{Code: CodeBadInput, Status: status, Title: fmt.Sprintf(format, args...)}
}

// asError makes an Error of whatever a Backend returned.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Title: err.Error()}
}

func encodeProblem(e *Error) (status int, body []byte) {
	title, status := kind(e.Code)
	if e.Status != 0 {
		status = e.Status
	}
	p := problem{Title: title, Status: status, Detail: e.Title, Code: e.Code, Faults: e.Faults}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and an int always encode
	}
	return status, append(body, '\n')
}

// decodeProblem reads an answer that is not a success.
func decodeProblem(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax))
	if err != nil {
		return ErrDaemonGone
	}
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return &Error{
			Code: CodeInternal, Status: resp.StatusCode,
			Title: fmt.Sprintf("cannot read the daemon's answer: HTTP status %s", resp.Status),
		}
	}
	return &Error{Code: p.Code, Title: p.Detail, Faults: p.Faults, Status: p.Status}
}
