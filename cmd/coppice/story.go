package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"coppice/ipc"
	"coppice/tree"
)

// account is why a node is in its state.
type account struct {
	Node  string    `json:"node"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Chain is the events that led here, the root cause first.
	Chain []ipc.Event `json:"chain"`
	// Text says it in words.
	Text string `json:"text"`
}

// why explains a node from the event record. Without a daemon t is nil and the
// node's state is what its last event says. false: there is no such node.
func why(name string, t *ipc.Tree, events []ipc.Event, now time.Time) (account, bool) {
	s := story{tree: t, now: now, subject: name}
	a := account{Node: name}
	var chain []ipc.Event
	if t != nil {
		node := s.node(name)
		if node == nil {
			return s.gone(events)
		}
		at := lastIndex(events, func(e ipc.Event) bool { return e.Seq == node.Cause })
		if node.State == string(tree.IsFrozen) {
			at, node = s.frozen(events, at, *node)
		}
		a.State, a.Since = node.State, node.Since
		chain, s.torn = causes(events, at)
		a.Text = s.opening(node) + s.tell(chain) + s.advice(node, chain)
	} else {
		at := lastIndex(events, func(e ipc.Event) bool { return e.Node == name && changesState(e.Kind) })
		if at < 0 {
			return a, false
		}
		// The end of a child over which its supervisor gave up is not the end of
		// the story.
		if end := gaveUpOver(events, events[at].Seq); end > at {
			at = end
		}
		last := events[at]
		last.Node = name
		a.State, a.Since = stateAfter(last.Kind), last.Time
		chain, s.torn = causes(events, at)
		a.Text = s.openingOfLast(last, a.State) + s.tell(chain) + adviceWithoutDaemon(a.State, chain)
	}
	a.Chain = chain
	return a, true
}

// gone explains why the tree has a node no more.
func (s *story) gone(events []ipc.Event) (account, bool) {
	name := s.subject
	at := lastIndex(events, func(e ipc.Event) bool { return e.Node == name && e.Kind == string(tree.ChildRemoved) })
	if at < 0 {
		return account{}, false
	}
	a := account{Node: name, State: stateAfter(events[at].Kind), Since: events[at].Time}
	a.Chain, s.torn = causes(events, at)
	opening := fmt.Sprintf("%s is in the tree no more since %s (%s)", name, clock(s.now, a.Since), ago(s.now, a.Since))
	a.Text = opening + s.tell(a.Chain)
	return a, true
}

// frozen is a frozen node since it was frozen, and the event of that. Where the
// record does not reach so far it is what it was before.
func (s *story) frozen(events []ipc.Event, before int, n ipc.Node) (at int, as *ipc.Node) {
	at = lastIndex(events, func(e ipc.Event) bool { return e.Node == n.Name && e.Kind == string(tree.Frozen) })
	if at < 0 {
		return before, &n
	}
	n.Since = events[at].Time
	return at, &n
}

// gaveUpOver is where a supervisor gave up because of the end of a child.
func gaveUpOver(events []ipc.Event, end uint64) int {
	return lastIndex(events, func(e ipc.Event) bool {
		return end != 0 && e.Kind == string(tree.GaveUp) && e.Because == end
	})
}

func lastIndex(events []ipc.Event, is func(ipc.Event) bool) int {
	for at := len(events) - 1; at >= 0; at-- {
		if is(events[at]) {
			return at
		}
	}
	return -1
}

// causes walks from one event to its root cause and returns them in the order in
// which they happened. Numbers may begin anew with a new tree, so a cause is
// looked for backwards. torn: the record does not reach back to the root cause.
func causes(events []ipc.Event, at int) (chain []ipc.Event, torn bool) {
	if at >= 0 && events[at].Kind == string(tree.ChildRemoved) {
		// It was removed for its end; that its supervisor gave up over that stands beside it.
		if end := gaveUpOver(events[:at], events[at].Because); end >= 0 {
			chain, torn = causes(events, end)
			return append(chain, events[at]), torn
		}
	}
	for at >= 0 {
		e := events[at]
		chain = append(chain, e)
		if e.Because == 0 {
			slices.Reverse(chain)
			return chain, false
		}
		at = lastIndex(events[:at], func(c ipc.Event) bool { return c.Seq == e.Because })
	}
	slices.Reverse(chain)
	return chain, len(chain) > 0
}

// changesState says whether a kind of event tells of a node's state, and not only
// of something beside it.
func changesState(kind string) bool {
	switch tree.Kind(kind) {
	case tree.OutputDropped, tree.OOMKilled, tree.HookFailed, tree.Reloaded, tree.ReloadFailed, tree.ReqMade:
		return false
	}
	return true
}

// stateAfter is the state that a node was left in by its last event.
func stateAfter(kind string) string {
	switch tree.Kind(kind) {
	case tree.StartBegun, tree.StillStarting:
		return string(tree.Starting)
	case tree.StartDone, tree.BecameReady, tree.ChildAdopted, tree.Thawed, tree.BecameHealthy, tree.BecameUnhealthy:
		return string(tree.Up)
	case tree.StopBegun:
		return string(tree.Stopping)
	case tree.Frozen:
		return string(tree.IsFrozen)
	case tree.CannotBeKilled:
		return string(tree.IsUnkillable)
	case tree.RestartBegun:
		return string(tree.Restarting)
	case tree.BackoffBegun:
		return string(tree.BackingOff)
	case tree.ExitSeen:
		return string(tree.Finished)
	case tree.GaveUp:
		return string(tree.Failed)
	case tree.ChildRemoved:
		return "removed"
	default:
		return string(tree.Stopped)
	}
}

// story tells a chain of events as sentences.
type story struct {
	tree *ipc.Tree // nil without a daemon
	now  time.Time
	torn bool
	// subject is whom the last clause was about: it is "it" in the next.
	subject string
	text    strings.Builder
}

func (s *story) opening(n *ipc.Node) string {
	return fmt.Sprintf("%s is %s since %s (%s)", n.Name, stateWords(n.State), clock(s.now, n.Since), ago(s.now, n.Since))
}

func (s *story) openingOfLast(e ipc.Event, state string) string {
	return fmt.Sprintf("No daemon runs. %s was last seen %s, at %s (%s ago)",
		e.Node, stateWords(state), clock(s.now, e.Time), ago(s.now, e.Time))
}

func stateWords(state string) string {
	switch tree.State(state) {
	case tree.BackingOff:
		return "waiting to be restarted"
	case tree.Restarting:
		return "being restarted"
	}
	return state
}

// tell says the chain; what only leads from one clause to the next is left out.
func (s *story) tell(chain []ipc.Event) string {
	failures := countFailures(chain)
	told := map[string]bool{}
	for i, e := range chain {
		if tree.Kind(e.Kind) != tree.StartFailure {
			s.clause(chain, i)
			continue
		}
		// A start that failed again for the same reason is said once.
		if key := e.Node + "\x00" + e.Cause; !told[key] {
			told[key] = true
			s.startFailed(e, failures[key])
		}
	}
	if s.text.Len() == 0 && len(chain) == 0 {
		return "; the event record does not say why."
	}
	if s.torn {
		return s.text.String() + ". (The event record does not reach further back.)"
	}
	return s.text.String() + "."
}

func countFailures(chain []ipc.Event) map[string]int {
	count := map[string]int{}
	for _, e := range chain {
		if tree.Kind(e.Kind) == tree.StartFailure {
			count[e.Node+"\x00"+e.Cause]++
		}
	}
	return count
}

// add puts a clause behind what was said; the first one follows the opening.
func (s *story) add(glue, text string) {
	if s.text.Len() == 0 {
		glue = ": "
	}
	s.text.WriteString(glue + text)
}

// who is a node as a clause's subject.
func (s *story) who(name string) string {
	if name == s.subject {
		return "it"
	}
	s.subject = name
	return name
}

// clause says one event, if it is worth saying after those before it.
func (s *story) clause(chain []ipc.Event, i int) {
	e := chain[i]
	switch tree.Kind(e.Kind) {
	case tree.ReqMade:
		s.add("; ", s.request(e)+s.at(e, i))
	case tree.DaemonStarted:
		if e.Request != "" {
			s.add("; ", "coppice itself was restarted"+s.at(e, i))
		} else {
			s.add("; ", "coppice started the tree"+s.at(e, i))
		}
	case tree.DaemonStopping:
		s.add("; ", "coppice was asked to stop the tree ("+e.Request+")"+s.at(e, i))
	case tree.ExitSeen:
		s.exited(chain, i)
	case tree.RestartBegun:
		s.restarted(chain, i)
	case tree.GaveUp:
		s.gaveUp(chain, i)
	case tree.StopBegun:
		s.stopping(e)
	case tree.BackoffBegun:
		s.putOff(chain, i)
	case tree.StopDone, tree.StartBegun, tree.StartDone, tree.BecameReady:
		// The opening has said it, or a clause before or after it does.
	case tree.ChildAdded, tree.ChildRemoved, tree.ChildChanged:
		if i > 0 && chain[i-1].Request == "start-child" {
			return // the request has said it
		}
		s.add(", and ", s.who(e.Node)+" was "+e.Kind)
	default:
		s.other(e, i)
	}
}

// other says what health checks, adoption and later inventions report.
func (s *story) other(e ipc.Event, i int) {
	text := s.who(e.Node)
	switch tree.Kind(e.Kind) {
	case tree.OOMKilled:
		text += " ran out of memory and the kernel killed a process of it"
	case tree.CannotBeKilled:
		text += " cannot be killed"
	case tree.Frozen:
		text += " was frozen"
	case tree.Thawed:
		text += " runs again"
	case tree.BecameUnhealthy:
		text += " became unhealthy"
	case tree.BecameHealthy:
		text += " became healthy"
	case tree.ChildAdopted:
		text = "coppice itself was restarted and took " + text + " over"
	default:
		text += " reported " + e.Kind
	}
	text += s.at(e, i)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	s.add("; ", text)
}

// at is the moment of the root cause.
func (s *story) at(e ipc.Event, i int) string {
	if i > 0 || s.torn {
		return ""
	}
	return " at " + clock(s.now, e.Time)
}

func (s *story) request(e ipc.Event) string {
	verb, signal, _ := strings.Cut(e.Request, " ")
	switch verb {
	case "start", "stop", "restart", "freeze", "thaw":
		return "an operator asked to " + verb + " " + s.who(e.Node)
	case "start-child":
		return "an operator started " + s.who(e.Node) + " from its template"
	case "delete-child":
		return "an operator deleted " + s.who(e.Node)
	case "kill":
		return "an operator sent " + signal + " to " + s.who(e.Node)
	case "reload":
		return "an operator reloaded the tree file"
	case "watch":
		return "a watched file of " + e.Node + " changed"
	default:
		return e.Request + " was asked for " + s.who(e.Node)
	}
}

func (s *story) exited(chain []ipc.Event, i int) {
	e := chain[i]
	words := " ended"
	switch {
	case e.Lost:
		words = " ended while nobody was there to see how"
	case e.Signal != nil:
		words = " was killed by " + *e.Signal
	case e.Code != nil:
		words = fmt.Sprintf(" ended with exit code %d", *e.Code)
	}
	glue := "; "
	if i > 0 {
		glue = ", and "
	}
	s.add(glue, s.who(e.Node)+words+s.at(e, i))
}

// startFailed says that a start failed, and how often.
func (s *story) startFailed(e ipc.Event, times int) {
	text := s.who(e.Node)
	if s.text.Len() > 0 {
		text += " then"
	}
	text += " failed to start"
	if times > 1 {
		text += fmt.Sprintf(" %d times", times)
	}
	if e.Cause != "" {
		text += ": " + strings.TrimSuffix(e.Cause, ".")
	}
	s.add("; ", text)
}

// restarted says who was restarted, and after which delay. A try after a failed
// start needs no words: the failures are counted. Neither does one that is still
// to come.
func (s *story) restarted(chain []ipc.Event, i int) {
	e, delay := chain[i], ""
	if i > 0 && tree.Kind(chain[i-1].Kind) == tree.StartFailure {
		return
	}
	if i+1 < len(chain) && tree.Kind(chain[i+1].Kind) == tree.BackoffBegun {
		if i+2 == len(chain) {
			return
		}
		delay = " after " + chain[i+1].Delay
	}
	parent := s.parent(e.Node)
	who := s.who(e.Node)
	if parent == nil {
		s.add(", so ", who+" was restarted"+delay)
		return
	}
	strategy, by := parent.Strategy, parent.Strategy
	if e.Strategy != "" {
		strategy, by = e.Strategy, e.Strategy+" by its on_exit"
	}
	switch {
	case strategy == "one_for_all":
		s.add(", so ", parent.Name+" ("+by+") restarted all its children"+delay)
		s.subject = ""
	case strategy == "rest_for_one":
		s.add(", so ", parent.Name+" ("+by+") restarted "+who+" and the children after it"+delay)
		s.subject = ""
	case e.Strategy != "":
		s.add(", so ", parent.Name+" ("+by+") restarted "+who+" alone"+delay)
	default:
		s.add(", so ", parent.Name+" restarted "+who+delay)
	}
}

// putOff says why a start has to wait; a delay of the node's own needs no words. Of
// tries one after the other the last one's reason is told.
func (s *story) putOff(chain []ipc.Event, i int) {
	e := chain[i]
	later := func(c ipc.Event) bool { return c.Kind == e.Kind && c.Node == e.Node && c.Cause != "" }
	if e.Cause != "" && !slices.ContainsFunc(chain[i+1:], later) {
		verb := " could not be started: "
		if e.Delay == "" {
			verb = " waits for its turn: "
		}
		s.add("; ", s.who(e.Node)+verb+strings.TrimSuffix(e.Cause, "."))
	}
}

func (s *story) gaveUp(chain []ipc.Event, i int) {
	e := chain[i]
	text := e.Node + " gave up"
	s.subject = e.Node
	if slices.ContainsFunc(chain[:i], func(c ipc.Event) bool { return c.Kind == e.Kind }) {
		text += " too"
	}
	switch {
	case e.Intensity == nil:
	case *e.Intensity == 0:
		text += ", as its limit allows no restart"
	default:
		text += ": " + cmp.Or(e.Child, "a child") + " needed " + tooMany(e)
	}
	s.add(". ", text)
}

// tooMany is the limit that was exceeded.
func tooMany(e ipc.Event) string {
	return "more than " + counted(*e.Intensity, "restart", "restarts") + " in " + e.Period
}

func (s *story) stopping(e ipc.Event) {
	switch {
	case e.Child != "":
		s.add(", so ", e.Node+" shut down, as its significant children had ended")
		s.subject = e.Node
	case e.Cause != "":
		s.add("; ", s.who(e.Node)+" was stopped: "+e.Cause)
	}
}

// advice is what to do when the node does not heal by itself.
func (s *story) advice(n *ipc.Node, chain []ipc.Event) string {
	switch tree.State(n.State) {
	case tree.Starting:
		if n.Trouble != "" {
			return " It is not ready: " + n.Trouble + "."
		}
	case tree.Up:
		if n.Trouble != "" {
			return " Its last health check failed: " + n.Trouble + "."
		}
	case tree.BackingOff:
		if n.Until != nil {
			return " It is started again in " + span(n.Until.Sub(s.now).Round(time.Second)) + "."
		}
		return " It is started again by itself."
	case tree.Restarting:
		if n.Waits != "" {
			return " It waits for " + n.Waits + "."
		}
		return " It is tried again at once."
	case tree.IsUnkillable:
		left := "that"
		if lastIndex(chain, func(e ipc.Event) bool { return tree.Kind(e.Kind) == tree.CannotBeKilled }) < 0 {
			left = "what cannot be killed, " + n.Trouble
		}
		return " Nothing is started beside " + left + ", and it goes on when that has ended."
	case tree.Stopped:
		if text := s.sweep(chain); text != "" {
			return text
		}
		return s.mend(n, chain)
	case tree.Failed:
		return s.mend(n, chain)
	case tree.Finished:
		if n.Restart == "temporary" {
			return " It is temporary, so coppice has forgotten it; make it transient to run it again by hand."
		}
		return " It is " + n.Restart + " and does not run again by itself; `coppice start " + n.Name + "` runs it."
	}
	return ""
}

// sweep says what a child waits for that was stopped by a restart which is still
// under way: it is started again with the sibling that caused it.
func (s *story) sweep(chain []ipc.Event) string {
	at := lastIndex(chain, func(e ipc.Event) bool { return tree.Kind(e.Kind) == tree.RestartBegun })
	gaveUp := lastIndex(chain, func(e ipc.Event) bool { return tree.Kind(e.Kind) == tree.GaveUp })
	if at < 0 || at < gaveUp {
		return ""
	}
	n := s.node(chain[at].Node)
	if n == nil {
		return ""
	}
	switch tree.State(n.State) {
	case tree.BackingOff:
		if n.Until != nil {
			return " It is started again with " + n.Name + ", in " + span(n.Until.Sub(s.now).Round(time.Second)) + "."
		}
		fallthrough
	case tree.Restarting, tree.Starting:
		return " It is started again with " + n.Name + "."
	}
	return ""
}

// mend names the command that starts the node again: a child of a supervisor
// that does not run comes back with the topmost one that does not.
func (s *story) mend(n *ipc.Node, chain []ipc.Event) string {
	top := n
	for p := s.parent(top.Name); p != nil && p.State != string(tree.Up); p = s.parent(top.Name) {
		top = p
	}
	lead := " Run"
	if broken(chain) {
		lead = " Mend it and run"
	}
	switch {
	case s.tree.Daemon.Stopping || top.Name == s.tree.Root.Name:
		return lead + " `coppice up` once the tree is down."
	case top.Held:
		return lead + " `coppice start " + top.Name + "`; the next sweep over it starts it too."
	default:
		return lead + " `coppice start " + top.Name + "`."
	}
}

// broken says whether a chain has a fault in it, and not only wishes and work
// that was done.
func broken(chain []ipc.Event) bool {
	return slices.ContainsFunc(chain, func(e ipc.Event) bool {
		switch tree.Kind(e.Kind) {
		case tree.StartFailure, tree.GaveUp, tree.BecameUnhealthy:
			return true
		case tree.ExitSeen:
			return e.Signal != nil || e.Code != nil && *e.Code != 0
		}
		return false
	})
}

func adviceWithoutDaemon(state string, chain []ipc.Event) string {
	switch tree.State(state) {
	case tree.Up, tree.Starting, tree.Stopping:
		return " The event record does not say how the daemon ended. `coppice up` goes on with what still runs, and starts the tree anew if nothing does."
	}
	if broken(chain) {
		return " Mend it and run `coppice up`."
	}
	return " `coppice up` starts the tree."
}

func (s *story) node(name string) *ipc.Node { return findNode(s.tree, name) }

// findNode is the node of a name, nil when there is none.
func findNode(t *ipc.Tree, name string) *ipc.Node {
	var found *ipc.Node
	t.Root.Each(func(n *ipc.Node) {
		if n.Name == name {
			found = n
		}
	})
	return found
}

// parent is the supervisor of a node; nil for the root and where no tree is
// known.
func (s *story) parent(name string) *ipc.Node {
	if s.tree == nil {
		return nil
	}
	var found *ipc.Node
	s.tree.Root.Each(func(n *ipc.Node) {
		if slices.ContainsFunc(n.Children, func(c ipc.Node) bool { return c.Name == name }) {
			found = n
		}
	})
	return found
}
