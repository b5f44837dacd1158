package keeper

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// script is the variable that makes this test binary a daemon; its words say what
// that does without being told:
//
//	owner     it claims the tree and serves at once
//	forgetful it takes no exit and hears no signal
//	silent    it does not answer pings
//	loyal     it ends when its keeper is gone, and does not take over
const script = "KEEPER_TEST"

// player is a daemon that does what the test tells it by standard input, and says
// by standard output what happens.
type player struct {
	how    []string
	link   *Link
	mu     sync.Mutex
	held   []Held
	exits  []Exit
	caught chan os.Signal
}

// playDaemon never returns.
func playDaemon(how string) {
	p := &player{how: strings.Fields(how), link: Linked(), caught: make(chan os.Signal, 10)}
	switch filepath.Base(self()) {
	case "exits-at-once":
		os.Exit(3)
	case "hangs":
		p.read()
		select {}
	}
	signal.Notify(p.caught, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for sig := range p.caught {
			tell("caught", int(sig.(syscall.Signal)))
		}
	}()
	p.held = p.link.Held()
	p.begin()
	go p.link.Run(p)
	for {
		line := p.read()
		if line == "" {
			p.link.Final(0)
			os.Exit(0)
		}
		p.obey(strings.Fields(line))
	}
}

func self() string {
	path, _ := os.Readlink("/proc/self/exe")
	return path
}

func (p *player) does(word string) bool { return slices.Contains(p.how, word) }

// begin says who this is and what it was given.
func (p *player) begin() {
	names := []string{}
	for _, h := range p.held {
		text := make([]byte, 300)
		n, _ := unix.Pread(h.FD, text, 0)
		if got := string(text[:max(n, 0)]); strings.HasPrefix(h.Name, "mem") && got != h.Name {
			panic(fmt.Sprintf("%q holds %q", h.Name, got))
		}
		names = append(names, h.Name)
	}
	slices.Sort(names)
	list := strings.Join(names, ",")
	if len(names) > 20 {
		list = strconv.Itoa(len(names))
	}
	if p.does("owner") {
		p.link.Claimed()
		p.link.Serving()
	}
	tell("daemon", fmt.Sprintf("pid=%d keeper=%d held=%s nohup=%v report=%s sid=%v exits=%d program=%s",
		os.Getpid(), p.link.Keeper(), list, p.link.HangUpIgnored(), os.Getenv(reportVariable), getsid(), len(p.link.Exits()), filepath.Base(self())))
	for _, e := range p.link.Exits() {
		p.Exit(e)
	}
}

func getsid() int {
	sid, _ := unix.Getsid(0)
	return sid
}

// tell writes a line in one piece.
func tell(words ...any) { unix.Write(1, []byte(fmt.Sprintln(words...))) }

// read reads a line, byte by byte: the next daemon goes on behind it.
func (p *player) read() string {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := syscall.Read(0, b)
		switch {
		case err == syscall.EINTR:
			continue
		case n <= 0:
			return ""
		case b[0] == '\n':
			return string(line)
		}
		line = append(line, b[0])
	}
}

func (p *player) obey(words []string) {
	number := 0
	if len(words) > 1 {
		number, _ = strconv.Atoi(words[1])
	}
	switch words[0] {
	case "claim":
		p.link.Claimed()
	case "serve":
		p.link.Serving()
	case "final":
		p.link.Final(number)
		os.Exit(77)
	case "leave":
		p.link.Leave(number)
	case "exit":
		os.Exit(number)
	case "put":
		for _, name := range words[1:] {
			p.putMemory(name)
		}
	case "many":
		for i := range number {
			p.putMemory(fmt.Sprintf("mem%d", i))
		}
	case "drop":
		p.link.Drop(words[1])
		p.mu.Lock()
		p.held = slices.DeleteFunc(p.held, func(h Held) bool { return h.Name == words[1] })
		p.mu.Unlock()
	case "listen":
		p.listen(words[1])
	case "exits":
		fd, err := unix.Open(words[1], unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		must(err)
		p.put(ExitsName, fd)
	case "spawn":
		p.spawn(words[1])
	case "heard":
		p.link.Heard(syscall.Signal(number))
	case "ready":
		p.link.Ready()
		p.link.Status("all\nis well")
		p.link.Stopping()
	case "upgrade":
		fd, err := unix.Open(words[1], unix.O_PATH|unix.O_CLOEXEC, 0)
		must(err)
		must(p.link.Upgrade(fd, words[1]))
		os.Exit(0)
	case "garbage":
		p.garbage()
	}
	tell("done", words[0])
}

func (p *player) putMemory(name string) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	must(err)
	_, err = unix.Write(fd, []byte(name))
	must(err)
	p.put(name, fd)
}

func (p *player) put(name string, fd int) {
	must(p.link.Put(name, fd))
	p.mu.Lock()
	p.held = append(p.held, Held{name, fd})
	p.mu.Unlock()
}

func (p *player) listen(path string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(err)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(unix.Listen(fd, 10))
	p.put(ListenName, fd)
}

// spawn forks a child that ends by a code, or a signal ("-9"), once the gate opens.
func (p *player) spawn(how string) {
	gate, err := os.Open(filepath.Join(os.Getenv("KEEPER_TEST_DIR"), "gate"))
	must(err)
	end := "exit " + how
	if n, ok := strings.CutPrefix(how, "-"); ok {
		end = "kill -" + n + " $$"
	}
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "ulimit -c 0; read x; " + end},
		&syscall.ProcAttr{Files: []uintptr{gate.Fd(), 2, 2}, Sys: &syscall.SysProcAttr{Setsid: true}})
	must(err)
	gate.Close()
	tell("spawned", pid, how, startTime(pid), pidfdInode(pid))
}

// garbage sends what no daemon would.
func (p *player) garbage() {
	for _, text := range []string{
		"x", "put", "put ", "put a\nb", "drop", "final 256", "final -1", "taken 0 0 0 0 0 0",
		"heard 65", "held listen", "exit 1 2 3 4 5 6", "upgrade /bin/true", "signal 9", "\x00\xff", strings.Repeat("a", 40000),
		"put " + strings.Repeat("n", 500), "claimed now", "ping 1", "pong 99999999999999999999", "end",
	} {
		for _, fds := range [][]int{nil, {0}, {0, 1, 2}} {
			for sendOn(p.link.fd, []byte(text), fds) == unix.EAGAIN {
			}
		}
	}
}

func (p *player) Exit(e Exit) {
	if p.does("forgetful") {
		p.mu.Lock()
		p.exits = append(p.exits, e)
		p.mu.Unlock()
	} else {
		p.link.Taken(e)
	}
	tell("exit", e.PID, e.Code, int(e.Signal), e.Start, e.Inode)
}

func (p *player) Signal(sig syscall.Signal) { tell("signal", int(sig)) }

func (p *player) Ping(n uint64) {
	if !p.does("silent") {
		p.link.Pong(n)
	}
}

func (p *player) Upgraded(why string) { tell("upgraded", why) }

func (p *player) Gone() {
	if p.does("loyal") {
		tell("gone")
		os.Exit(0)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	must(TakeOver(p.held, TakeOverState{Exits: p.exits}))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "player:", err)
		os.Exit(99)
	}
}
