package tree

import "strconv"

// Health says what the results of health checks are worth. OTP has nothing like
// it: its processes crash by themselves. The zero value asks nobody.
type Health struct {
	// Failures is how many checks in a row have to fail for a process to be
	// unhealthy; 0: its health is not checked.
	Failures int
	// Successes is how many checks in a row have to succeed for it to be healthy,
	// and for earlier failures to be forgotten.
	Successes int
	// StartPeriod is the time after its start in which failures do not count, as
	// long as it has not been healthy.
	StartPeriod Time
}

// Condition is what is known of the health of a running process. The words are
// those that status shows.
type Condition string

// The conditions. An unhealthy process is being stopped for it, or was.
const (
	Unchecked Condition = ""
	Healthy   Condition = "healthy"
	Unhealthy Condition = "unhealthy"
)

// fitness is what a node remembers of its present incarnation's health, and of
// what keeps it from being ready.
type fitness struct {
	condition      Condition
	passed, failed int    // checks in a row
	trouble        string // what the last one that failed said
	// ailing: it is being stopped because it is unhealthy, which nobody has asked
	// its supervisor for; its end is abnormal.
	ailing bool
}

// Heeds says whether an event would change anything at time now. The results of
// checks that tell nothing new come all the time: who drives a tree need neither
// tell nor record those. It answers for Checked, NotReady, Extended and
// WatchdogSet; all others are heeded.
func (t *Tree) Heeds(now Time, e Event) bool {
	switch e := e.(type) {
	case Checked:
		n := t.incarnation(e.Ref)
		return n != nil && n.heedsCheck(e, now)
	case NotReady:
		n := t.incarnation(e.Ref)
		return n != nil && n.heedsObstacle(e)
	case Extended:
		n := t.incarnation(e.Ref)
		return n != nil && n.heedsExtension(e, now)
	case WatchdogSet:
		n := t.incarnation(e.Ref)
		return n != nil && n.heedsWatchdog(e)
	}
	return true
}

func (n *node) heedsWatchdog(e WatchdogSet) bool {
	return n.runs() && e.Span > 0 && e.Span != n.watchdog
}

// answers says that there is a main process that can say something: one that is frozen
// cannot, and of one that cannot be killed it has ended.
func (n *node) answers() bool { return n.runs() && !n.frozen && n.stuck == "" }

func (n *node) heedsCheck(e Checked, now Time) bool {
	switch {
	case !n.answers() || n.state != Up || n.spec.Health.Failures < 1:
		return false
	case e.Passed:
		return n.condition != Healthy || n.failed > 0
	}
	return !n.beginning(now) || n.passed > 0 || n.trouble != e.Cause
}

// beginning says that failures do not count yet.
func (n *node) beginning(now Time) bool {
	return n.condition != Healthy && now < n.upAt+n.spec.Health.StartPeriod
}

// processChecked: somebody has asked a process how it is.
func (t *Tree) processChecked(e Checked) {
	n := t.incarnation(e.Ref)
	if n == nil || !n.heedsCheck(e, t.now) {
		return
	}
	if e.Passed {
		t.checkPassed(n)
		return
	}
	n.passed, n.trouble = 0, e.Cause
	if n.beginning(t.now) {
		return
	}
	n.failed++
	switch most := n.spec.Health.Failures; {
	case n.failed < most:
	case most == 1:
		t.becomeUnhealthy(n, e.Cause)
	default:
		t.becomeUnhealthy(n, strconv.Itoa(n.failed)+" checks in a row have failed: "+e.Cause)
	}
}

func (t *Tree) checkPassed(n *node) {
	if n.passed++; n.passed < n.spec.Health.Successes {
		return
	}
	n.passed, n.failed, n.trouble = 0, 0, ""
	if n.condition != Healthy {
		n.condition = Healthy
		t.report(Report{Kind: BecameHealthy, Node: n.id(), PID: n.pid, Because: n.cause})
	}
}

// processUnwell: a process has not said in time that it is well, or has said that
// it is not.
func (t *Tree) processUnwell(e Unwell) {
	if n := t.incarnation(e.Ref); n != nil && n.answers() && n.state == Up {
		t.becomeUnhealthy(n, e.Cause)
	}
}

// becomeUnhealthy stops a process by its stop protocol. Its supervisor does not
// wait for that: to it the process ends by itself, abnormally.
func (t *Tree) becomeUnhealthy(n *node, cause string) {
	n.condition, n.trouble, n.ailing = Unhealthy, cause, true
	seq := t.report(Report{Kind: BecameUnhealthy, Node: n.id(), PID: n.pid, Cause: cause, Because: n.signalled})
	t.become(n, Stopping, t.report(Report{Kind: StopBegun, Node: n.id(), PID: n.pid, Because: seq}))
	t.requestStop(n, false)
}

// unhealthyEnded: an unhealthy process is gone, and nobody has asked to stop it
// meanwhile.
func (t *Tree) unhealthyEnded(n *node, exit *Exit) {
	because := n.cause
	t.become(n, Up, because) // and not alive: its supervisor has not heard of it
	t.processEnded(n, exit, because)
	n.ailing, n.killing = false, false
}

// processHindered: something keeps a process from being ready.
func (t *Tree) processHindered(e NotReady) {
	if n := t.incarnation(e.Ref); n != nil && n.heedsObstacle(e) {
		n.trouble = e.Cause
		t.report(Report{Kind: StillStarting, Node: n.id(), PID: n.pid, Cause: e.Cause, Because: n.cause})
	}
}

func (n *node) heedsObstacle(e NotReady) bool {
	return n.answers() && n.state == Starting && n.spec.Ready == AtNotice && n.trouble != e.Cause
}

// processExtended: a process needs longer to start or to stop. The new time limit
// is a little later than what was asked for, so that somebody who asks all the
// time is heeded now and then.
func (t *Tree) processExtended(e Extended) {
	if n := t.incarnation(e.Ref); n != nil && n.heedsExtension(e, t.now) {
		t.after(n, e.Span+e.Span/8)
	}
}

// extensionMax is the longest span that is added at once: it is not for ever, and
// sums of times stay far from the end of Time.
const extensionMax = 365 * 24 * 3600 * Second

func (n *node) heedsExtension(e Extended, now Time) bool {
	asked := n.runs() && (n.state == Starting || n.state == Stopping) && !n.killing
	return asked && n.deadline != 0 && e.Span > 0 && e.Span <= extensionMax && now+e.Span > n.deadline
}
