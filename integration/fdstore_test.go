package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// This test binary is also a server that leaves its socket to its next incarnation:
// `BINARY shop` answers each connection with its pid, once there is a file "open", and
// makes and stores its socket only if it was given none.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "shop" {
		if err := keepShop(); err != nil {
			fmt.Println(err)
			os.Exit(111)
		}
	}
}

func keepShop() error {
	told := fmt.Sprintf("FDSTORE=%s LISTEN_FDS=%s LISTEN_FDNAMES=%s mine=%v\n", os.Getenv("FDSTORE"),
		os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()))
	var socket *os.File
	if os.Getenv("LISTEN_FDS") == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if socket, err = l.(*net.TCPListener).File(); err != nil {
			return err
		}
		if err := passTo(os.Getenv("NOTIFY_SOCKET"), "FDSTORE=1\nFDNAME=web", int(socket.Fd())); err != nil {
			return err
		}
		if err := os.WriteFile("address", []byte(l.Addr().String()+"\n"), 0o600); err != nil {
			return err
		}
	} else {
		socket = os.NewFile(3, "web")
	}
	l, err := net.FileListener(socket)
	if err != nil {
		return err
	}
	file, err := os.OpenFile("told", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(told); err != nil {
		return err
	}
	if err := passTo(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
		return err
	}
	for !fileExists("open") {
		time.Sleep(10 * time.Millisecond)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(conn, os.Getpid())
		conn.Close()
	}
}

// passTo sends a word and descriptors to a notify socket.
func passTo(address, text string, fds ...int) error {
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) {
		var rights []byte
		if len(fds) > 0 {
			rights = syscall.UnixRights(fds...)
		}
		sendErr = syscall.Sendmsg(int(fd), []byte(text), rights, nil, 0)
	})
	if err == nil {
		err = sendErr
	}
	return err
}

// openShop starts a tree with a shop that is not open yet, and waits until it has stored
// its socket.
func openShop(t *testing.T, more string) *bed {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := plot(t, fmt.Sprintf(`
[process.shop]
command = [%q, "shop"]
ready = "notify"
fd_store = 2
%s`, self, more))
	b.up()
	b.awaitFile("address")
	if n := b.node("shop"); n.FDStore != 1 {
		t.Fatalf("it has stored %d", n.FDStore)
	}
	return b
}

// ring connects to the shop, which need not be open.
func (b *bed) ring(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSpace(b.read("address")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// answeredBy is the pid of who answers a connection.
func answeredBy(t *testing.T, conn net.Conn) int {
	t.Helper()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("nobody answers: %v", err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	return pid
}

// A socket outlives the process that listens on it, and whoever connects meanwhile is
// answered by the next one; also where the daemon, or the keeper, was killed before.
func TestStoredSocketOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	for _, killed := range []string{"process", "daemon", "keeper", "daemon and then keeper"} {
		t.Run(killed, func(t *testing.T) {
			t.Parallel()
			b := openShop(t, "")
			switch killed {
			case "daemon":
				b.killDaemon(t)
			case "keeper":
				b.killKeeper(t)
			case "daemon and then keeper":
				b.killDaemon(t)
				b.killKeeper(t)
			}
			before := b.node("shop")
			if before.FDStore != 1 {
				t.Errorf("it holds %d", before.FDStore)
			}
			waiting := b.ring(t)
			since := b.newest()
			b.must("kill", "shop", "-s", "KILL")
			b.awaitKind(since, "shop", "started")
			late := b.ring(t)
			b.write("open", "")
			after := b.node("shop")
			for _, conn := range []net.Conn{waiting, late} {
				if pid := answeredBy(t, conn); pid != after.PID || pid == before.PID {
					t.Errorf("answered by %d; it is %d now and was %d", pid, after.PID, before.PID)
				}
			}
			if after.FDStore != 1 {
				t.Errorf("the next one has stored %d", after.FDStore)
			}
			b.must("restart", "shop")
			if pid := answeredBy(t, b.ring(t)); pid != b.node("shop").PID {
				t.Errorf("after a restart by hand answered by %d", pid)
			}
			given := "FDSTORE=2 LISTEN_FDS=1 LISTEN_FDNAMES=web mine=true"
			same(t, "what it was told", strings.Split(strings.TrimSpace(b.read("told")), "\n"),
				"FDSTORE=2 LISTEN_FDS= LISTEN_FDNAMES= mine=false", given, given)
			has(t, "status", b.must("status"), "fd store 1")
		})
	}
}

// killKeeper kills the keeper; the daemon takes its place and starts another one.
func (b *bed) killKeeper(t *testing.T) {
	t.Helper()
	was := b.tree().Daemon
	if err := syscall.Kill(was.Keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "another daemon answers", func() bool {
		now, err := askUntil(b.client())
		return err == nil && now.Daemon.PID != was.PID && now.Daemon.Keeper == was.PID
	})
}

// A stop by hand, a removal and a limit of 0 empty the store: nobody can connect any
// more, and the next incarnation begins anew.
func TestStoreIsEmptied(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"stop", "stop of its supervisor", "reload without it", "reload with another limit"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			b := openShop(t, "[supervisor.root]\nchildren = [\"box\"]\n[supervisor.box]\nchildren = [\"shop\", \"other\"]\n[process.other]\ncommand = \"sleep 1000\"\n")
			b.write("open", "")
			address := strings.TrimSpace(b.read("address"))
			file := b.read("coppice.toml")
			switch by {
			case "stop":
				b.must("stop", "shop")
			case "stop of its supervisor":
				b.must("stop", "box")
			case "reload without it":
				from, to := strings.Index(file, "[process.shop]"), strings.Index(file, "[supervisor.root]")
				b.write("coppice.toml", strings.Replace(file[:from]+file[to:], `"shop", `, "", 1))
				b.must("reload")
			case "reload with another limit":
				b.write("coppice.toml", strings.Replace(file, "fd_store = 2", "fd_store = 0", 1))
				has(t, "reload", b.must("reload"), "fd_store")
				has(t, "told", b.read("told"), "FDSTORE= LISTEN_FDS= LISTEN_FDNAMES= mine=false")
			}
			until(t, "the socket is closed", func() bool {
				conn, err := net.Dial("tcp", address)
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
			b.write("coppice.toml", file)
			b.must("reload")
			b.must("start", "box")
			b.must("start", "shop")
			b.must("wait", "shop", "--for", "ready")
			lines := strings.Split(strings.TrimSpace(b.read("told")), "\n")
			if last := lines[len(lines)-1]; last != "FDSTORE=2 LISTEN_FDS= LISTEN_FDNAMES= mine=false" {
				t.Errorf("the next one was told %q", last)
			}
			if n := b.node("shop"); n.FDStore != 1 {
				t.Errorf("the next one has stored %d", n.FDStore)
			}
		})
	}
}

// What a stranger sends, and what is too much, is closed and told.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	b := openShop(t, "")
	address := ""
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", b.node("shop").PID))
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range strings.Split(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, "NOTIFY_SOCKET="); ok {
			address = value
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if err := passTo(address, "FDSTORE=1\nFDNAME=evil", int(write.Fd())); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if _, err := io.ReadAll(read); err != nil { // until nobody has the other end
		t.Error(err)
	}
	if n := b.node("shop"); n.FDStore != 1 {
		t.Errorf("a stranger has stored something: %d", n.FDStore)
	}
	until(t, "it is told", func() bool { return strings.Contains(b.read(".coppice/daemon.log"), "a stranger sent a notification") })
}
