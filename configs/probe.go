package configs

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"coppice/tree"
)

// Probe is a question whose answer says whether a process is ready, or well. The
// zero value asks nothing.
type Probe struct {
	Kind ProbeKind
	// Target is "HOST:PORT" of ProbeTCP, the URL of ProbeHTTP, the absolute path of
	// ProbeUnix or "@NAME" of an abstract socket, the regular expression of
	// ProbeLog.
	Target string
	// Port is that of ProbeListening, from 1 to 65535.
	Port int
	// Status are the ranges of HTTP statuses that are good answers, both ends
	// included.
	Status [][2]int
	// Program and Argv are what ProbeCommand executes, as those of a Process.
	Program string
	Argv    []string
	// Timeout is how long an answer may take, above 0.
	Timeout tree.Time
}

// ProbeKind is what kind of question a Probe is, as the file names it.
type ProbeKind string

const (
	// ProbeTCP asks whether somebody accepts a connection at Target.
	ProbeTCP ProbeKind = "tcp"
	// ProbeHTTP gets Target; a good answer has one of Status.
	ProbeHTTP ProbeKind = "http"
	// ProbeUnix asks whether somebody accepts a connection at a Unix socket.
	ProbeUnix ProbeKind = "unix"
	// ProbeCommand runs a command, which ends with 0.
	ProbeCommand ProbeKind = "command"
	// ProbeListening asks whether one of the process's own processes has a
	// listening TCP socket on Port.
	ProbeListening ProbeKind = "listening"
	// ProbeLog looks for Target in a line of what it has written so far.
	ProbeLog ProbeKind = "log"
)

// checkKinds are the kinds of probes by which health can be checked.
var checkKinds = []string{"tcp", "http", "unix", "listening", "command"}

// probeForms are examples of each kind.
var probeForms = map[ProbeKind]string{
	ProbeTCP:           `{ tcp = "127.0.0.1:5432" }`,
	ProbeHTTP:          `{ http = "http://127.0.0.1:8080/healthz" }`,
	ProbeUnix:          `{ unix = "run/api.sock" }`,
	ProbeCommand:       `{ command = ["pg_isready", "-q"] }`,
	ProbeListening:     `{ listening = 8080 }`,
	ProbeLog:           `{ log = "listening on" }`,
	ProbeKind(ReadyFD): `{ fd = 3 }`,
}

const (
	// socketPathMax is the longest path of a Unix socket (unix(7)).
	socketPathMax = 107
	// patternMax is the longest regular expression.
	patternMax = 1000
)

// oneKind is the one key of known that the table has.
func (t table) oneKind(known []string, what, expected string) (ProbeKind, bool) {
	var found []string
	for _, key := range t.keys() {
		if slices.Contains(known, key) {
			found = append(found, key)
		}
	}
	switch {
	case len(found) == 1:
		return ProbeKind(found[0]), true
	case len(found) > 1:
		t.fault(found[1], nil, "%s has both %s and %s: expected one of them", what, found[0], found[1])
	case len(t.values) == 0:
		t.faultAt(t.at.value, nil, "%s is an empty table: expected %s", what, expected)
	case !t.misspelt(known):
		t.faultAt(t.at.value, nil, "%s does not say what to ask: expected one of %s", what, strings.Join(known, ", "))
	}
	return "", false
}

// misspelt says that the table has a key that nobody knows: it is told already,
// and may have been meant for one of known.
func (t table) misspelt(known []string) bool {
	others := append([]string{"status", "timeout", "interval", "failures", "successes", "start_period"}, known...)
	return slices.ContainsFunc(t.keys(), func(key string) bool { return !slices.Contains(others, key) })
}

// alone refuses keys that mean nothing beside the kind that was chosen.
func (t table) alone(keys ...string) {
	for _, key := range keys {
		if f := t.at.field(key); f != nil {
			t.faultAt(f.name, nil, "%s means nothing here", key)
		}
	}
}

// probe reads what a probe of a kind asks.
func (t table) probe(kind ProbeKind, env *environment) (*Probe, bool) {
	p := &Probe{Kind: kind, Timeout: defaultProbeTimeout}
	if kind == ProbeLog {
		t.alone("timeout")
		p.Timeout = 0
	} else if d, _, ok := t.duration("timeout", bounds{}); ok {
		p.Timeout = d
	}
	if kind != ProbeHTTP {
		t.alone("status")
	}
	ok := true
	switch kind {
	case ProbeTCP:
		p.Target, ok = t.address()
	case ProbeHTTP:
		p.Target, ok = t.url()
		p.Status = t.statuses()
	case ProbeUnix:
		p.Target, ok = t.socket()
	case ProbeLog:
		p.Target, ok = t.pattern()
	case ProbeListening:
		p.Port = t.number("listening", 1, 65535)
	case ProbeCommand:
		p.Program, p.Argv = t.command(env)
	}
	return p, ok
}

// address reads "HOST:PORT".
func (t table) address() (string, bool) {
	const expected = `"HOST:PORT", like "127.0.0.1:5432"`
	text, ok := t.text("tcp", expected)
	if !ok {
		return "", false
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || host == "":
		t.fault("tcp", nil, "tcp is %s: expected %s", show(text), expected)
	case portErr != nil || number == 0:
		t.fault("tcp", nil, "tcp has the port %s: expected a number from 1 to 65535", show(port))
	default:
		return text, true
	}
	return "", false
}

// url reads what is to be got.
func (t table) url() (string, bool) {
	const expected = `a URL like "http://127.0.0.1:8080/healthz"`
	text, ok := t.text("http", expected)
	if !ok {
		return "", false
	}
	u, err := url.Parse(text)
	var h hint
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && goodPort(u.Port()):
		return text, true
	case !strings.Contains(text, "://"):
		h = say("say " + strconv.Quote("http://"+strings.TrimLeft(text, "/")))
	}
	t.fault("http", h, "http is %s: expected %s", show(text), expected)
	return "", false
}

func goodPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && number > 0
}

// statuses reads which answers are good: one, or a list.
func (t table) statuses() [][2]int {
	const expected = `HTTP statuses from 100 to 599, or ranges like "200-399"`
	value, found := t.values["status"]
	if !found {
		return defaultStatuses()
	}
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	var ranges [][2]int
	for i, value := range list {
		at := t.span("status")
		if isList {
			at = t.item("status", i)
		}
		first, last, ok := statusRange(value)
		if !ok {
			t.faultAt(at, nil, "status holds %s: expected %s", shown(value), expected)
			continue
		}
		ranges = append(ranges, [2]int{first, last})
	}
	if len(list) == 0 {
		t.fault("status", nil, "status is an empty list: expected %s", expected)
	}
	return ranges
}

// shown is a value in a fault: a string itself, of others what they are.
func shown(value any) string {
	if text, ok := value.(string); ok {
		return show(text)
	}
	return describe(value)
}

func statusRange(value any) (first, last int, ok bool) {
	switch value := value.(type) {
	case int64:
		first, last = int(value), int(value)
	case string:
		before, after, found := strings.Cut(value, "-")
		from, err1 := strconv.ParseUint(before, 10, 16)
		to, err2 := strconv.ParseUint(after, 10, 16)
		if !found || err1 != nil || err2 != nil {
			return 0, 0, false
		}
		first, last = int(from), int(to)
	}
	return first, last, 100 <= first && first <= last && last <= 599
}

// socket reads the path of a Unix socket, or its abstract name.
func (t table) socket() (string, bool) {
	text, ok := t.text("unix", `the path of a socket, like "run/api.sock"`)
	if !ok {
		return "", false
	}
	path := text
	switch {
	case text == "" || text == "@":
		t.fault("unix", nil, "unix is %s: expected the path of a socket, like \"run/api.sock\"", show(text))
		return "", false
	case text[0] != '@' && !filepath.IsAbs(text):
		path = t.absolute(text)
	}
	if len(path) > socketPathMax {
		t.fault("unix", say("a shorter path, or an abstract name like \"@api\", can be connected to"),
			"unix is %d bytes long as an absolute path: the system knows sockets by up to %d", len(path), socketPathMax)
		return "", false
	}
	return path, true
}

// pattern reads a regular expression.
func (t table) pattern() (string, bool) {
	const expected = `a regular expression, like "listening on"`
	text, ok := t.text("log", expected)
	if !ok {
		return "", false
	}
	_, err := regexp.Compile(text)
	switch {
	case text == "":
		t.fault("log", nil, "log is empty: expected %s", expected)
	case len(text) > patternMax:
		t.fault("log", nil, "log is %d bytes long: expected a regular expression of up to %d", len(text), patternMax)
	case err != nil:
		t.fault("log", nil, "log is %s: expected %s: %s", show(text), expected, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	default:
		return text, true
	}
	return "", false
}

// number reads a whole number in a range; where it is missing or faulty, the
// lowest.
func (t table) number(key string, from, to int) int {
	value, found := t.values[key]
	number, ok := value.(int64)
	switch {
	case !found:
	case !ok:
		t.fault(key, nil, "%s is %s: expected a number from %d to %d", key, describe(value), from, to)
	case number < int64(from) || number > int64(to):
		t.fault(key, nil, "%s is %d: expected a number from %d to %d", key, number, from, to)
	default:
		return int(number)
	}
	return from
}

// String is the probe in words: "http://127.0.0.1:8080/healthz", "port 8080".
func (p Probe) String() string {
	switch p.Kind {
	case ProbeListening:
		return fmt.Sprintf("port %d", p.Port)
	case ProbeCommand:
		return strings.Join(p.Argv, " ")
	case ProbeHTTP:
		if u, err := url.Parse(p.Target); err == nil {
			return u.Redacted()
		}
	}
	return p.Target
}
