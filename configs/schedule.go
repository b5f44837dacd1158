package configs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// integer reads a number within bounds; nil: there is none.
func (t table) integer(key string, least, most int) *int {
	if _, found := t.values[key]; !found {
		return nil
	}
	number := t.number(key, least, most)
	return &number
}

// umask reads an octal number: "027", or 0o027. 27 alone could mean both.
func (t table) umask() *int {
	value, found := t.values["umask"]
	if !found {
		return nil
	}
	const expected = `an octal number in quotes, like "027"`
	at := t.span("umask")
	text, ok := value.(string)
	if number, isNumber := value.(int64); isNumber {
		text = t.main.text[at.start:at.end]
		if ok = strings.HasPrefix(text, "0o"); !ok {
			t.fault("umask", say("say "+strconv.Quote(text)), "umask is a number, %d: expected %s", number, expected)
			return nil
		}
		text = strings.TrimPrefix(text, "0o")
	}
	number, err := strconv.ParseUint(text, 8, 32)
	switch {
	case !ok:
		t.fault("umask", nil, "umask is %s: expected %s", describe(value), expected)
		return nil
	case err != nil || number > 0o777:
		t.fault("umask", nil, "umask is %s: expected %s, at most \"777\"", show(text), expected)
		return nil
	}
	mask := int(number)
	return &mask
}

var (
	ioClasses = []choice[string]{{"realtime", "realtime"}, {"best-effort", "best-effort"}, {"idle", "idle"}}
	policies  = []choice[string]{{"other", "other"}, {"batch", "batch"}, {"idle", "idle"}, {"fifo", "fifo"}, {"rr", "rr"}}
)

// ioNice reads a class, or a class and a level.
func (t table) ioNice() *IONice {
	const defaultLevel = 4 // of a process whose nice is 0
	var n IONice
	switch value := t.values["ionice"].(type) {
	case nil:
		return nil
	case map[string]any:
		sub := t.below("ionice", "ionice", value)
		sub.unknown([]string{"class", "level"}, nil)
		n.Class = oneOf(sub, "class", ioClasses, "best-effort")
		if level := sub.integer("level", 0, 7); level != nil {
			if n.Level = *level; n.Class == "idle" {
				sub.fault("level", nil, `level with class = "idle": that has no levels`)
			}
			return &n
		}
	default:
		if n.Class = oneOf(t, "ionice", ioClasses, ""); n.Class == "" {
			return nil
		}
	}
	if n.Class != "idle" {
		n.Level = defaultLevel
	}
	return &n
}

// sched reads a policy, or a policy and a priority.
func (t table) sched() *Sched {
	var s Sched
	at, key := t, "sched"
	switch value := t.values["sched"].(type) {
	case nil:
		return nil
	case map[string]any:
		at, key = t.below("sched", "sched", value), "policy"
		at.unknown([]string{"policy", "priority"}, nil)
		s.Policy = oneOf(at, "policy", policies, "other")
		if priority := at.integer("priority", 1, 99); priority != nil {
			s.Priority = *priority
		}
	default:
		if s.Policy = oneOf(t, "sched", policies, ""); s.Policy == "" {
			return nil
		}
	}
	realtime := s.Policy == "fifo" || s.Policy == "rr"
	switch _, given := at.values["priority"]; {
	case realtime && !given:
		at.fault(key, say(`say sched = { policy = "`+s.Policy+`", priority = 1 }`), "the policy %q takes a priority from 1 to 99", s.Policy)
	case !realtime && given && key == "policy":
		at.fault("priority", nil, "priority with the policy %q: only fifo and rr have one", s.Policy)
	}
	return &s
}

// cpusMax is the highest number of a processor that sched_setaffinity(2) takes here.
const cpusMax = 1023

// cpuAffinity reads numbers and ranges, [0, "2-5"].
func (t table) cpuAffinity() []int {
	const expected = `numbers of processors or ranges like "0-3"`
	list, found := t.list("cpu_affinity", "a list of "+expected)
	if found && len(list) == 0 {
		t.fault("cpu_affinity", nil, "cpu_affinity is empty: expected %s", expected)
	}
	var cpus []int
	for i, value := range list {
		first, last, ok := cpuRange(value)
		if !ok {
			t.faultAt(t.item("cpu_affinity", i), nil, "cpu_affinity holds %s: expected %s, up to %d", shown(value), expected, cpusMax)
			continue
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus)
}

func cpuRange(value any) (first, last int, ok bool) {
	text := fmt.Sprint(value)
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	return first, last, err1 == nil && err2 == nil && first >= 0 && last >= first && last <= cpusMax
}

// bytesLimits are the limits that count bytes; they may be given as sizes.
var bytesLimits = []string{"as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack"}

// RlimitNames are all limits of getrlimit(2), sorted.
func RlimitNames() []string {
	return []string{
		"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
		"rtprio", "rttime", "sigpending", "stack",
	}
}

// rlimits reads limits by name: one value for both, or a table of soft and hard.
func (t table) rlimits() []Rlimit {
	value, found := t.values["rlimits"]
	if !found {
		return nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("rlimits", nil, "rlimits is %s: expected a table like { nofile = 4096, core = 0 }", describe(value))
		return nil
	}
	sub := t.below("rlimits", "rlimits", values)
	var limits []Rlimit
	for _, key := range sub.keys() {
		name := strings.TrimPrefix(strings.ToLower(key), "rlimit_")
		if !slices.Contains(RlimitNames(), name) {
			at := sub.at.value
			if f := sub.at.field(key); f != nil {
				at = f.name
			}
			sub.faultAt(at, nearest(name, RlimitNames(), "known limits: "+strings.Join(RlimitNames(), " ")), "unknown limit %s", show(key))
			continue
		}
		if slices.ContainsFunc(limits, func(l Rlimit) bool { return l.Name == name }) {
			sub.fault(key, nil, "the limit %s stands here twice", name)
			continue
		}
		if l, ok := sub.rlimit(key, name); ok {
			limits = append(limits, l)
		}
	}
	slices.SortFunc(limits, func(a, b Rlimit) int { return strings.Compare(a.Name, b.Name) })
	return limits
}

func (t table) rlimit(key, name string) (Rlimit, bool) {
	values, ok := t.values[key].(map[string]any)
	if !ok {
		value, ok := t.limitValue(key, name)
		return Rlimit{name, value, value}, ok
	}
	sub := t.below(key, key, values)
	sub.unknown([]string{"soft", "hard"}, nil)
	for _, part := range []string{"soft", "hard"} {
		if _, found := values[part]; !found {
			sub.faultAt(sub.at.value, nil, "%s has no %s: expected { soft = …, hard = … }, or one value for both", key, part)
			return Rlimit{}, false
		}
	}
	soft, ok1 := sub.limitValue("soft", name)
	hard, ok2 := sub.limitValue("hard", name)
	if ok1 && ok2 && soft > hard {
		sub.fault("soft", nil, "soft is above hard")
		return Rlimit{}, false
	}
	return Rlimit{name, soft, hard}, ok1 && ok2
}

// limitValue reads a number, a size where bytes are counted, or "infinity".
func (t table) limitValue(key, name string) (uint64, bool) {
	expected := `a number or "infinity"`
	bytes := slices.Contains(bytesLimits, name)
	if bytes {
		expected = `a number of bytes, a size like "64MiB" or "infinity"`
	}
	switch value := t.values[key].(type) {
	case int64:
		if value >= 0 {
			return uint64(value), true
		}
		t.fault(key, nil, "%s is %d: expected %s", key, value, expected)
	case string:
		if value == infinity {
			return math.MaxUint64, true
		}
		if size, fault, _ := parseSize(value); bytes && fault == "" {
			return uint64(size), true
		}
		t.fault(key, nil, "%s is %s: expected %s", key, show(value), expected)
	default:
		t.fault(key, nil, "%s is %s: expected %s", key, describe(value), expected)
	}
	return 0, false
}
