// Package crash names the steps at which a daemon may be killed, so that tests
// can kill it at each of them.
//
// A build with the tag "crash" obeys COPPICE_CRASH=POINT:FILE: at the point of
// that name it kills itself by SIGKILL if it can remove FILE, so that one file is
// one death, whichever daemon comes there first. Any other build does nothing.
package crash
