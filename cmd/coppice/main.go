package main

import "os"

// version is set by the Makefile; it is what `coppice version` and the daemon call themselves.
var version = "0.1.0"

func main() {
	os.Exit(execute(os.Args[1:], processWorld(), realEngine()))
}
