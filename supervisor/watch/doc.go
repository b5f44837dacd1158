// Package watch notices that files have changed.
//
// Each name comes with globs; New's fire is called with the name when a file
// that one of them matches was written, made, renamed or removed. A burst is one
// call: it comes when nothing has changed for 100 ms, and a second after the
// first change at the latest.
//
// The kernel watches folders, not patterns. So a glob is split into a root, the
// folder in front of its first wildcard, and the rest. Watched are the folders
// on the way to the root, so that a root can come and go, and those below it as
// deep as the rest can match. A folder that appears is watched first and read
// afterwards: what was put into it in between is found by one or the other.
// Hidden folders and node_modules are left out unless a glob names them.
// Symbolic links to folders are not followed.
//
// When the kernel drops events because too many came at once, all folders are
// read again and every name is called: something has changed.
//
// Goroutines: one of this package, which owns everything, and the one of
// fsnotify that feeds it.
package watch
