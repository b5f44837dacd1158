// Package tree is Erlang/OTP's supervisor as a pure function: events in, actions
// out. It starts no goroutine, reads no clock and does no input or output; two
// trees that hear the same events say the same things.
//
// # The idea
//
// An OTP supervisor is a process that blocks. While it starts or stops a child
// it waits in a receive for that child alone, and everything else piles up in
// its mailbox. Turned inside out, that is three lists for each supervisor:
//
//	children   the child records, in start order   (OTP: {Ids, Db})
//	steps      starts and stops not yet answered   (OTP: the blocking receive)
//	inbox      messages not yet heard              (OTP: the mailbox)
//
// A message is taken from the inbox only when the steps are done. A strategy is
// then nothing but a function that fills the steps. A restart that fails to
// start puts "try again" at the end of the supervisor's own inbox, so that
// whatever waits there, a shutdown above all, is heard first.
//
// # One crash, from end to end
//
// The tree is rest_for_one over db, api and worker, and api is killed:
//
//	Exited{api, SIGKILL}        its supervisor gets a message; nobody waits for it
//	  report exited
//	  the limit allows it       one more time stamp in the restart window
//	  report restarting         because of exited
//	  steps: stop worker, restart, start api, start worker
//	  report stopping worker, action Stop{worker}
//	Exited{worker, SIGTERM}     answers the step
//	  report stopped
//	  report starting api, action Start{api}
//	Started{api, 4711}          answers the step
//	  report started
//	  report starting worker, action Start{worker}
//	Started{worker, 4712}
//	  report started            the steps are done, the inbox is next
//
// Had the limit not allowed it, the supervisor would have reported gave_up,
// stopped all its children in reverse order and ended; its own supervisor would
// have found an exit of a child in its inbox and done the same thing again, one
// level up.
//
// # Events
//
//	Boot          start the root
//	Started       answers Start: the program was executed
//	StartFailed   answers Start: there is no process
//	StartIgnored  answers Start: it need not run (OTP: ignore)
//	Ready         completes a start whose Readiness is AtNotice
//	NotReady      says what keeps it from that
//	Checked       the result of one health check
//	Unwell        it was to say that it is well, and did not
//	Extended      it asks for more time to start or to stop
//	WatchdogSet   it chooses the span of its watchdog
//	Exited        nothing of the process is left; once for each Started
//	Called        an operator's Request; one Reply answers it
//	Drawn         answers Draw: a number that chance has chosen
//	Tick          time has passed
//	Resumed       another runtime goes on with a restored tree
//	HookDone      answers AfterExit: the end is complete
//	ReloadDone    answers Reload
//	Adopted       it watches this process of the runtime before
//	Dropped       output of a process was thrown away
//	Survives      something of it is left that cannot be killed
//
// # Actions
//
//	Start Stop Kill Signal   to the process that Ref names
//	AfterExit Reload         a command after its end, or for it to reload
//	Draw                     a number for a delay, which Drawn answers
//	Reply                    to the Called of the same ID
//	Halt                     the root has ended, nothing is left: the last action
//
// Every Step also returns Reports. They are the event record, each with the one
// that caused it, and they are to be recorded before the actions are carried
// out.
//
// # Time
//
// A Tree has no timers. Deadlines are fields of nodes, Deadline returns the
// nearest, and whoever drives the tree sends a Tick then. A backoff, a start that
// is put off, a start timeout and a shutdown timeout are all there are.
//
// # When the runtime dies
//
// A tree outlives whoever drives it. Save writes down, as plain data, all that
// later behaviour depends on: states, counts and windows, but also the steps,
// inboxes and deadlines, so that a sweep that was cut off goes on to its end.
// Restore reads it and believes nothing of it. What happens between two Saves is
// kept by recording the events: a tree that hears the same events is the same.
//
//	Restore            the tree as it was last saved
//	Step, Step, …      the events that were recorded since; what it answers was
//	                   done or begun already
//	Step(Resumed)      report daemon_started
//	Redo               starts, stops, kills and commands that nobody has answered: some of
//	                   them were carried out, and only the world knows which
//	Step(Adopted)      for each process that lives on; nothing else about it changes
//	Step(Exited)       for each that does not, Lost where nobody knows how it ended
//
// An end that is Lost is abnormal, whatever Success says; whoever was being
// stopped is stopped all the same. New calls are numbered from LastCall, and a
// tree that has Halted tells so again.
//
// A record that lost its end leaves a tree that is behind the world: it does not
// even know some incarnations that live. Redo and Adopted are no help then.
// Salvage takes the list of what lives for the truth, drops what was in progress,
// and lets every supervisor decide about the rest as it always does.
//
// # Where a Unix process is not an Erlang process
//
//   - That a program was executed does not say that it is initialized:
//     Readiness says when a start is complete.
//   - A process has an exit code or a signal, not a reason: Success sorts them
//     into normal and abnormal. An end that was asked for is always normal.
//   - A code can say more than "abnormal": OnExit lets an end choose the strategy of
//     the restart that follows it, for this one failure and its retries.
//   - A process has descendants. Exited means that nothing of its group is left;
//     Stop and Kill mean the group.
//   - Kill may be in vain (state D). Nobody who waits for such an end is kept waiting for
//     an answer, nothing is started beside what is left, and whoever waits for it goes on
//     when it has ended after all; only the end of the whole tree leaves it behind. Of one
//     that has ended by itself its supervisor hears only then, too.
//   - A process can be unhealthy (Health): too many checks in a row have failed.
//     Then it is stopped by its stop protocol, but nobody has asked its supervisor
//     for that: it hears of an abnormal end, whatever the exit.
//   - A start can fail for want of what the system may have again (Shortage). It is
//     put off and tried again after 100 ms, then twice that, up to 5 s: the child is
//     shown as backing off, its supervisor waits for it as for any start, nothing is
//     counted. StartTimeout is for all tries together. Starts that an operator or a
//     change of the tree asks for fail at once, with the reason.
//   - Chance has no place in a pure function: where a delay has a jitter, Draw asks for
//     a number and Drawn brings it.
//   - A tree can have a budget of restarts (Rate). Those beyond it wait in one queue,
//     as they would for a backoff. First starts and those that an operator or a change
//     of the tree asks for do not wait, nor does what they start cost.
//   - A restart can be delayed (Backoff). The child is then restarting as far as
//     the rest of OTP is concerned; the delay stands between the passed limit
//     check, with the stops of a sweep, and the start.
//   - A process may have a command after its end (AfterExit): the end is told at
//     once, and its supervisor hears of it when that command has ended, too. A command
//     before its start (BeforeStart) is part of carrying out Start.
//   - Supervisors are no processes: they cannot crash.
//
// # Where this is not OTP
//
// Two things are different on purpose, and Options.OTP switches both off:
//
//   - Restart windows are exact. OTP floors its clock to whole seconds.
//   - A shutdown overtakes a start that is not complete, and so does a stop of
//     the child that is starting: the start is cut short and does not count as
//     failed. In OTP both wait, and a shutdown could hang behind a child that
//     never becomes ready.
//
// Beside that an intensity may be infinite, and a temporary child that has ended,
// which OTP forgets, is still shown by Status (and by nothing else). Instances of a
// template have names that outlive a restart, where OTP has pids: by their name
// they can be restarted and, without Options.OTP, started and deleted. There may be
// a limit of them (Elixir's max_children).
//
// # The files
//
// spec.go is what is wanted and check.go what is wrong with it. event.go,
// request.go, action.go and report.go are the words; tree.go is Step. inbox.go
// and todo.go are the two lists of a supervisor, node.go is the record of a
// child and siblings.go the list of those below one supervisor. start.go, exit.go, restart.go with intensity.go, shutdown.go, admin.go and
// template.go are OTP's rules, each named after the part of supervisor.erl it answers
// to. What OTP does not know of is in verdict.go (an end chooses a strategy),
// backoff.go and rate.go (restarts wait), shortage.go (starts are put off), health.go,
// hook.go, reload.go, freeze.go, and unkillable.go with hindrance.go (ends that do not
// come). change.go says how two specs differ and apply.go carries it out. deadline.go is
// the queue of times, status.go the snapshot.
//
// saved.go is what a tree is written down as, save.go writes and restore.go reads
// it, sound.go is what every Step relies on. resume.go, redo.go, and salvage.go
// with drop.go are what a runtime needs that goes on for another one.
package tree
