package main

import (
	"os"

	"coppice/supervisor"
)

// version is set by the Makefile; it is what `coppice version` and the daemon call themselves.
var version = "0.1.0"

func main() {
	code := execute(os.Args[1:], processWorld(), realEngine())
	supervisor.Final(code)
	os.Exit(code)
}
