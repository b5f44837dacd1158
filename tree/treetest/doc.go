// Package treetest is the world that package tree is tested in: processes that
// are not there, a clock that is moved by hand, and scenarios that real
// Erlang/OTP can play too.
//
// # Scenarios and traces
//
// A Scenario (scenario.go) declares a tree of scripted processes, what each start
// of them leads to and what they do when asked to stop, and a list of stimuli:
// ends, an operator's calls, changes of the spec, time that passes. Trace plays
// it on a tree and writes what happened in the words of OTP: start, start_fail,
// stop, sup_start, max_intensity, sup_stop, replies, and the state at rest. The
// stored traces in tree/testdata/otp are what OTP's own supervisor left.
//
// # Who is first
//
// OTP promises an order within one supervisor and none between two. A Schedule
// (schedule.go) chooses among what could happen next; a scenario that every
// Schedule plays alike has only one trace, in OTP as well. Generate (gen.go,
// gentree.go, gencall.go) makes such scenarios from a seed: integration plays
// them on the installed Erlang.
//
// # What always holds
//
// A World (world.go) is what a tree has around it, for whoever drives it by
// events of his own. Its Watch (invariant.go, order.go, snapshot.go) looks at
// every Step and keeps the first thing that must not happen, with the reports
// before it: two incarnations of one name, a sweep in the wrong order, a request
// with two answers, a report without a cause.
package treetest
