// Package integration doubts the rest: it has tests only. They run the built
// binary on real processes, ask the installed Erlang/OTP whether the tree
// decides as it does, and keep the house in order.
package integration
