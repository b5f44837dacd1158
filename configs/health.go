package configs

import (
	"slices"

	"coppice/tree"
)

// Check is how the health of a process is checked. What becomes of the results is
// in tree.Health. The zero value checks nothing.
type Check struct {
	// Probe is what is asked; nil: nothing is.
	Probe *Probe
	// Interval is the time between two questions, above 0.
	Interval tree.Time
}

const healthForm = `a table like { http = "http://127.0.0.1:8080/healthz", interval = "10s" }`

// countMax bounds failures and successes.
const countMax = 1000

// health reads how the health of a process is checked, and what follows.
func (t table) health(env *environment, ready ReadyKind) (Check, tree.Health) {
	value, found := t.values["health"]
	if !found {
		return Check{}, tree.Health{}
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("health", nil, "health is %s: expected %s", describe(value), healthForm)
		return Check{}, tree.Health{}
	}
	if ready == ReadyExit {
		t.fault("health", nil, `health with ready = "exit": what is ready when it has ended never runs for long enough to be asked`)
	}
	return t.below("health", "health", values).healthTable(env)
}

func (t table) healthTable(env *environment) (Check, tree.Health) {
	known := append(slices.Clone(checkKinds), "status", "interval", "timeout", "failures", "successes", "start_period")
	notInHealth := map[string]string{
		"log": "what was written once says nothing of now", "fd": "what was written once says nothing of now",
		"notify": `say watchdog = "10s" for a process that says itself that it is well`,
	}
	t.unknown(known, notInHealth)
	check, health := Check{Interval: defaultInterval}, tree.Health{Failures: defaultFailures, Successes: 1}
	if d, _, ok := t.duration("interval", bounds{}); ok {
		check.Interval = d
	}
	if _, found := t.values["failures"]; found {
		health.Failures = t.number("failures", 1, countMax)
	}
	if _, found := t.values["successes"]; found {
		health.Successes = t.number("successes", 1, countMax)
	}
	health.StartPeriod, _, _ = t.duration("start_period", bounds{zero: true})
	kind, ok := t.oneKind(checkKinds, "health", healthForm)
	if ok {
		check.Probe, ok = t.probe(kind, env)
	}
	if !ok {
		return Check{}, tree.Health{}
	}
	return check, health
}

// watchdog reads how often a process says that it is well.
func (t table) watchdog(ready ReadyKind) tree.Time {
	d, _, ok := t.duration("watchdog", bounds{})
	if ok && ready == ReadyExit {
		t.fault("watchdog", nil, `watchdog with ready = "exit": what is ready when it has ended is not waited for while it runs`)
	}
	return d
}

// Notifies says whether a process gets a socket on which it speaks of itself
// (sd_notify).
func (p *Process) Notifies() bool {
	return p.Ready.Kind == ReadyNotify || p.Watchdog > 0 || p.FDStore > 0
}
