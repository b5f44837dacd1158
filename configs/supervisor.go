package configs

import (
	"fmt"
	"maps"
	"slices"

	"coppice/tree"
)

// ownKeys are the keys of every supervisor, childKeys those of one that is a child.
var (
	ownKeys   = []string{"strategy", "intensity", "period", "children", "auto_shutdown"}
	childKeys = []string{"restart", "shutdown", "significant"}
)

// elsewhere are hints for keys that belong to the other kind of table.
var (
	notInProcess    = withTemplate(misplaced("[supervisor.NAME]", ownKeys, processKeys))
	notInSupervisor = withTemplate(misplaced("[process.NAME]", processKeys, childKeys))
	notInRoot       = notOfRoot()
	notOnTop        = notOutside()
)

func misplaced(table string, keys, except []string) map[string]string {
	hints := map[string]string{"restart_rate": rateElsewhere}
	for _, key := range keys {
		if !slices.Contains(except, key) {
			hints[key] = fmt.Sprintf("%s is a key of %s", key, table)
		}
	}
	return hints
}

// supervisor reads the table of one supervisor.
func (l *loading) supervisor(t table, name string) *member {
	m := &member{name: name, at: t.at, title: t.title, table: t}
	m.spec = tree.ChildSpec{ID: name, Type: tree.Supervisor, Shutdown: defaultSupervisorShutdown}
	if name == rootName {
		t.unknown(ownKeys, notInRoot)
	} else {
		t.unknown(slices.Concat(ownKeys, childKeys), notInSupervisor)
		m.spec.Restart = oneOf(t, "restart", restartTypes, defaultRestart)
		m.spec.Shutdown = t.shutdown(defaultSupervisorShutdown)
		m.spec.Significant = t.significant(m.spec.Restart)
	}
	m.spec.Flags = t.flags()
	m.spec.Flags.Strategy = oneOf(t, "strategy", supervisorStrategies, defaultFlags.Strategy)
	if name == rootName && m.spec.Flags.Strategy == tree.SimpleOneForOne {
		t.fault("strategy", say("let the root list a [template.NAME]"), "the root cannot be simple_one_for_one: expected another strategy")
		m.spec.Flags.Strategy = defaultFlags.Strategy
	}
	before := t.collector.total
	names, places := t.texts("children", "names of processes and supervisors")
	m.listsUnknown = t.collector.total > before
	for i, child := range names {
		m.lists = append(m.lists, listing{child, places[i]})
	}
	return m
}

// flags are a supervisor's but for its strategy.
func (t table) flags() tree.Flags {
	return tree.Flags{
		Intensity:    t.intensity(),
		Period:       t.period(),
		AutoShutdown: oneOf(t, "auto_shutdown", autoShutdowns, defaultFlags.AutoShutdown),
	}
}

// significant reads whether the end of a child counts for auto_shutdown.
func (t table) significant(restart tree.RestartType) bool {
	significant := t.truth("significant", false)
	if significant && restart == tree.Permanent {
		t.fault("significant", say(`say restart = "transient" or "temporary"`),
			`significant = true with restart = "permanent": what is always restarted never ends for good`)
	}
	return significant
}

func notOfRoot() map[string]string {
	hints := withTemplate(misplaced("[process.NAME]", processKeys, childKeys))
	for _, key := range childKeys {
		hints[key] = "the root is nobody's child: it takes no restart, shutdown or significant"
	}
	return hints
}

func notOutside() map[string]string {
	hints := misplaced("[process.NAME]", processKeys, topKeys)
	maps.Copy(hints, misplaced("[supervisor.NAME]", ownKeys, nil))
	return withTemplate(hints)
}

// withTemplate adds what only templates have.
func withTemplate(hints map[string]string) map[string]string {
	hints["max_children"] = "max_children is a key of [template.NAME]"
	return hints
}
