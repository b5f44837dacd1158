// Package ipc is the conversation between the command line and the daemon.
package ipc
