// Package poller waits for many descriptors at once: an epoll set (epoll(7)) that
// is itself a descriptor in Go's poller. Its owner sleeps as a goroutine, not as a
// thread, whatever the number of descriptors, and nothing wakes it while nothing
// happens. It starts no goroutine of its own.
//
// Pipes of logs and sockets of notifications are waited for in this way.
package poller
