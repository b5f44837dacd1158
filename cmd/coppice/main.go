package main

import "os"

// version is what `coppice version` and the daemon call themselves.
const version = "0.1.0"

func main() {
	os.Exit(execute(os.Args[1:], processWorld(), realEngine()))
}
