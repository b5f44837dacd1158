// Package trampoline is the process between fork and exec of a child that wants more
// than syscall.SysProcAttr can do: it sets up what the tree file wants and then executes
// the program, which has its pid. A child that wants no more never pays for it.
//
// # How it is started
//
// The daemon executes its own binary (Program) with Variable in the environment. That
// is seen in an init, before the packages that only a daemon or a command needs are
// initialised. What to do is a Spec in a memory file; how it went goes through a pipe
// that exec closes:
//
//	nothing, and the pipe is closed    it was killed before it got anywhere
//	Ready, and the pipe is closed      the program was executed
//	a Failure                          it was not, and exit code ExitCode
//
// Beside Variable the trampoline has nothing in its environment but the variable that
// every child has, so that a daemon that was killed between fork and exec finds it. It
// then goes on all the same: whoever adopts it waits until it has become the program, or
// has ended with ExitCode. Why it has, nobody is told then but its stderr.
//
// # The order
//
// Everything that takes a privilege comes before it is given up; what restricts the
// trampoline itself comes last. A step that fails is the end: nothing is skipped.
//
//  1. the secrets are read
//  2. oom_score_adj, nice, ionice, sched, cpu_affinity, limits above what it has
//  3. a mount namespace: private propagation, secrets, root, private /tmp, views
//  4. the bounding set
//  5. groups, group and user, and they are read back
//  6. the other sets of capabilities
//  7. the directory, as that user
//  8. no_new_privs, Landlock
//  9. umask and limits
//  10. seccomp, exec
//
// All of it happens on the main thread, to which an init is bound: credentials,
// namespaces and scheduling belong to threads, and exec takes those of the thread that
// calls it.
package trampoline
