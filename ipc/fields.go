package ipc

import "time"

// A coder goes through the fields of a document in their order, to write them or to
// read them. What is empty is not written where the name of the method says so: see
// encoding/json's omitempty.
type coder interface {
	text(name string, v *string)
	textUnlessEmpty(name string, v *string)
	nullableText(name string, v **string)
	texts(name string, v *[]string)
	number(name string, v *int)
	numberUnlessZero(name string, v *int)
	nullableNumber(name string, v **int)
	countUnlessZero(name string, v *uint64)
	countUnlessNil(name string, v **uint64)
	rateUnlessNil(name string, v **float64)
	flagIfSet(name string, v *bool)
	moment(name string, v *time.Time)
	momentUnlessNil(name string, v **time.Time)
	wordOrNumber(name string, v *any)
	// begin says whether an object follows: where there is one to write, or one to
	// read. end ends it.
	begin(name string, present bool) bool
	end()
	nodes(name string, v *[]Node)
}

// fields are those of a Tree, as its struct tags have them; TestFields holds both
// together.
func (t *Tree) fields(c coder) {
	c.text("name", &t.Name)
	if c.begin("daemon", true) {
		t.Daemon.fields(c)
		c.end()
	}
	if c.begin("root", true) {
		t.Root.fields(c)
		c.end()
	}
}

func (d *Daemon) fields(c coder) {
	c.number("pid", &d.PID)
	c.numberUnlessZero("keeper", &d.Keeper)
	c.countUnlessZero("pid_namespace", &d.PIDNamespace)
	c.text("version", &d.Version)
	c.moment("started_at", &d.StartedAt)
	c.text("file", &d.File)
	c.text("digest", &d.Digest)
	c.textUnlessEmpty("cgroup", &d.Cgroup)
	c.textUnlessEmpty("no_cgroup", &d.NoCgroup)
	c.flagIfSet("stopping", &d.Stopping)
	c.flagIfSet("unattended", &d.Unattended)
	if c.begin("upgrade", d.Upgrade != nil) {
		if d.Upgrade == nil {
			d.Upgrade = &UpgradeResult{}
		}
		c.textUnlessEmpty("error", &d.Upgrade.Error)
		c.end()
	}
}

func (n *Node) fields(c coder) {
	c.text("name", &n.Name)
	c.text("kind", &n.Kind)
	c.text("state", &n.State)
	c.flagIfSet("held", &n.Held)
	c.flagIfSet("adopted", &n.Adopted)
	c.textUnlessEmpty("strategy", &n.Strategy)
	c.wordOrNumber("intensity", &n.Intensity)
	c.textUnlessEmpty("period", &n.Period)
	c.textUnlessEmpty("auto_shutdown", &n.AutoShutdown)
	c.numberUnlessZero("max_children", &n.MaxChildren)
	c.numberUnlessZero("pid", &n.PID)
	c.rateUnlessNil("cpu_percent", &n.CPUPercent)
	c.rateUnlessNil("cpu_seconds", &n.CPUSeconds)
	c.countUnlessNil("memory", &n.Memory)
	c.textUnlessEmpty("restart", &n.Restart)
	c.flagIfSet("significant", &n.Significant)
	c.textUnlessEmpty("ready", &n.Ready)
	c.textUnlessEmpty("check", &n.Check)
	c.textUnlessEmpty("health", &n.Health)
	c.textUnlessEmpty("status", &n.Status)
	c.textUnlessEmpty("phase", &n.Phase)
	c.numberUnlessZero("main_pid", &n.MainPID)
	c.numberUnlessZero("fd_store", &n.FDStore)
	c.textUnlessEmpty("trouble", &n.Trouble)
	c.flagIfSet("dynamic", &n.Dynamic)
	c.texts("args", &n.Args)
	c.number("restarts", &n.Restarts)
	c.moment("since", &n.Since)
	c.momentUnlessNil("until", &n.Until)
	if c.begin("last_exit", n.LastExit != nil) {
		if n.LastExit == nil {
			n.LastExit = &LastExit{}
		}
		n.LastExit.fields(c)
		c.end()
	}
	c.textUnlessEmpty("waits_for", &n.Waits)
	c.numberUnlessZero("place", &n.Place)
	c.countUnlessZero("cause", &n.Cause)
	c.nodes("children", &n.Children)
}

func (e *LastExit) fields(c coder) {
	c.nullableNumber("code", &e.Code)
	c.nullableText("signal", &e.Signal)
	c.text("reason", &e.Reason)
	c.flagIfSet("oom_killed", &e.OOM)
	c.moment("at", &e.At)
}
