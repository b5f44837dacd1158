package main

import (
	"strconv"

	"coppice/ipc"
	"coppice/tree"
)

// endWords says how a process ended: "exit 3", "SIGKILL".
func endWords(code *int, signal *string) string {
	switch {
	case signal != nil:
		return *signal
	case code != nil:
		return "exit " + strconv.Itoa(*code)
	default:
		return ""
	}
}

// lastExitWords is the last end of a process in a note.
func lastExitWords(e *ipc.LastExit) string {
	words := endWords(e.Code, e.Signal)
	if e.OOM {
		words += " (memory had run out)"
	}
	switch tree.EndReason(e.Reason) {
	case tree.EndStartFailed:
		if words == "" {
			return "start failed"
		}
		return "start failed (" + words + ")"
	case tree.EndStopped:
		return "stopped"
	case tree.EndExit, tree.EndSignal:
		return words
	}
	if words == "" {
		return e.Reason // "lost", "unhealthy", and what is yet to be thought of
	}
	return e.Reason + " (" + words + ")"
}
