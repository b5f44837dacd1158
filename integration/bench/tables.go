package main

import "strconv"

// tables are all that is shown, in order.
func (r *record) tables() []table {
	return []table{
		r.restartTable(), r.flatTable(), r.upTable(), r.massTable(), r.stopTable(), r.memoryTable(), r.idleTable(),
		r.controlTable(), r.daemonTable(),
		r.outputTable(measureLog, "Captured output: lines of 100 bytes in writes of 4096"),
		r.outputTable(measureLines, "Captured output: lines of 100 bytes, a write for each"),
		r.outputTable(measureLogKill, "Captured output while the daemon is killed five times"),
	}
}

func (r *record) restartTable() table {
	n := r.usual(measureRestart)
	of := func(head, metric string, ratio bool) column { return column{head, measureRestart, metric, n, ratio} }
	return table{
		title: "Restart, with " + strconv.Itoa(n) + " children",
		note: "Milliseconds from SIGKILL to the first instruction of the next incarnation; every child had lived for more than a second. " +
			"CPU is all that the supervisor computed meanwhile, by the restart. The last two are of one child that exits at once, from one first instruction to the next.",
		columns: []column{
			of("p50", "p50", true), of("p90", "p90", false), of("p99", "p99", true), of("max", "max", false), of("CPU µs", "cpu", false),
			{"dies young: p50", measureYoung, "p50", 1, true},
			{"its CPU µs", measureYoung, "cpu", 1, false},
		},
	}
}

func (r *record) flatTable() table {
	t := table{
		title: "Cost of one event, by the number of children",
		note:  "Restarts as above: milliseconds (p50), and microseconds of CPU.",
	}
	for _, n := range r.counts(measureRestart) {
		t.columns = append(t.columns, column{strconv.Itoa(n) + ": p50", measureRestart, "p50", n, false})
	}
	for _, n := range r.counts(measureRestart) {
		t.columns = append(t.columns, column{strconv.Itoa(n) + ": CPU µs", measureRestart, "cpu", n, false})
	}
	return t
}

func (r *record) upTable() table {
	t := table{
		title: "Bring-up",
		note: "Milliseconds from the first to the last first instruction, and from right before the supervisor's own start to the last. " +
			"No child has a readiness to wait for.",
	}
	for _, n := range r.counts(measureUp) {
		t.columns = append(t.columns,
			column{strconv.Itoa(n) + ": first to last", measureUp, "first-last", n, true},
			column{strconv.Itoa(n) + ": start to last", measureUp, "start-last", n, false})
	}
	return t
}

func (r *record) massTable() table {
	t := table{
		title: "All killed at once, all back",
		note:  "Milliseconds from the first SIGKILL to the first instruction of the last one that was back, and milliseconds of the supervisor's CPU.",
	}
	for _, n := range r.counts(measureMass) {
		t.columns = append(t.columns,
			column{strconv.Itoa(n) + ": back", measureMass, "back", n, true}, column{strconv.Itoa(n) + ": CPU", measureMass, "cpu", n, false})
	}
	return t
}

func (r *record) stopTable() table {
	t := table{
		title: "Stop of everything",
		note: "Milliseconds from the request until the last child was dead, and until the supervisor was gone. " +
			floorSerial + " stops one after the other, each waited for: what OTP's order demands of children that stand in the tree file. Children of a template are stopped together.",
	}
	for _, n := range r.counts(measureStop) {
		t.columns = append(t.columns,
			column{strconv.Itoa(n) + ": dead", measureStop, "dead", n, true}, column{strconv.Itoa(n) + ": gone", measureStop, "gone", n, false})
	}
	return t
}

func (r *record) memoryTable() table {
	t := table{
		title: "Memory of all the supervisor's processes",
		note:  "PSS in MiB, a while after bring-up (2.5 s); then processes, threads and descriptors of all of them.",
	}
	for _, n := range r.counts(measureMemory) {
		t.columns = append(t.columns, column{strconv.Itoa(n) + ": MiB", measureMemory, "pss", n, false})
	}
	for _, metric := range []string{"processes", "threads", "fds"} {
		n := r.usual(measureMemory)
		t.columns = append(t.columns, column{strconv.Itoa(n) + ": " + metric, measureMemory, metric, n, false})
	}
	return t
}

func (r *record) idleTable() table {
	n := r.usual(measureIdle)
	return table{
		title:   "Idle with " + strconv.Itoa(n) + " children",
		note:    "Watched for " + r.Idle.String() + ", scaled to 30 s: milliseconds of CPU, and context switches of all threads.",
		columns: []column{{"CPU ms", measureIdle, "cpu", n, false}, {"switches", measureIdle, "switches", n, false}},
	}
}

func (r *record) controlTable() table {
	n := r.usual(measureControl)
	of := func(head, metric string) column { return column{head, measureControl, metric, n, false} }
	return table{
		title: "Commands for people, with " + strconv.Itoa(n) + " children",
		note: "Medians of milliseconds, of the whole process of the command line. Its own start is that of a command which asks no supervisor. " +
			"Some commands do not wait until it is done, others poll: the last column is from the start command to the child's first instruction.",
		columns: []column{
			of("its own start", "bare"), of("status of all", "status"), of("stop one", "stop"), of("start one", "start"),
			of("start to first instruction", "start-main"),
		},
	}
}

func (r *record) daemonTable() table {
	n := r.usual(measureDaemon)
	of := func(head, metric string) column { return column{head, measureDaemon, metric, n, false} }
	return table{
		title:   "Supervisor killed under " + strconv.Itoa(n) + " children",
		note:    "Milliseconds from SIGKILL until a command that asks for the state of a child has its answer, the command's own start included; and children that were started again for it. Who is not here does not go on with its children.",
		columns: []column{of("p50", "p50"), of("max", "max"), of("children restarted", "restarted")},
	}
}

func (r *record) outputTable(m measure, title string) table {
	columns := []column{
		{"MB/s", m, "rate", 1, true}, {"CPU s/GB", m, "cpu", 1, false}, {"lines lost", m, "lost", 1, false}, {"lines twice", m, "doubled", 1, false},
	}
	note := "To files on tmpfs. MB/s until the child's last write was accepted, CPU of the supervisor and its loggers until they had nothing to do any more, lines after a graceful stop. " +
		"The floors' children write the file themselves."
	return table{title, note, columns}
}
