// Package configs reads a tree file or a Procfile and gives the wanted tree: a
// tree.ChildSpec whose processes carry what is needed to start them.
//
// # The tree file
//
// A tree file is TOML and flat: each supervisor and each process is one table,
// and a supervisor lists its children in start order. Names are unique in the
// tree: 1 to 64 of A-Z a-z 0-9 _ . - beginning with a letter or a digit.
//
//	name = "shop"                     # default: the folder's name
//	restart_rate = { per_second = 10, burst = 20 } # of the whole tree; default: no limit
//
//	[supervisor.root]                 # without it: one_for_one over all that nobody lists
//	strategy      = "rest_for_one"    # one_for_one | one_for_all | rest_for_one
//	intensity     = 3                 # restarts allowed in a period, or "infinity"
//	period        = "5s"              # above 0
//	auto_shutdown = "never"           # any_significant | all_significant
//	children      = ["db", "api"]     # in start order; [] is allowed
//
//	[process.db]
//	command       = ["postgres"]      # executed as it is; a string is run by /bin/sh -c
//	dir           = "data"            # default: the tree file's folder
//	env           = { LANG = "C" }    # a table of strings
//	env_file      = "db.env"          # NAME=value lines; env is applied after it
//	restart       = "permanent"       # transient | temporary
//	shutdown      = "5s"              # a duration | brutal_kill | infinity
//	stop_signal   = "SIGTERM"         # what asks it to stop
//	stop_to       = "group"           # main: the signal goes to the main process alone
//	significant   = false             # counts for its supervisor's auto_shutdown
//	success       = [0, "3-5", "SIGTERM"] # the ends that are normal
//	on_exit       = { 42 = "one_for_all" } # ends that choose the strategy of their restart
//	ready         = "exec"            # exit | notify | { tcp = "HOST:PORT" } | …
//	start_timeout = "60s"             # or "infinity", the default for ready = "exit"; from the fork
//	                                  # on, so that before_start has its hook_timeout beside it
//	backoff       = { initial = "1s", max = "60s", factor = 2, jitter = 0.5, decay = "10s" }
//	health        = { http = "URL", interval = "10s" } # how it is, while it runs
//	watchdog      = "10s"             # how often it says WATCHDOG=1 (sd_notify)
//	fd_store      = 16                # descriptors that it may leave for its next start (sd_notify)
//	watch         = ["**/*.go"]       # a change of these files restarts it
//	before_start  = ["./migrate"]     # is executed before each start, and part of it
//	after_exit    = "rm -f run/db.pid" # is executed after each end, and part of it
//	hook_timeout  = "10s"             # the time that each of these commands may take
//	reload_signal = "SIGHUP"          # what makes it read its configuration again
//	reload_command = ["pg_ctl", "reload"] # … or this command, with MAINPID
//	log           = { max_size = "16MiB", max_files = 8 } # how its output is kept
//
//	[template.jobs]                   # a supervisor, and what each of its children is
//	max_children  = "infinity"        # how many there may be at once
//	intensity     = 3                 # and period: the supervisor's, unless it has a table
//	restart       = "transient"       # and all keys of a process but significant and on_exit
//	command       = ["work"]          # may be missing: then start-child says all of it
//
// [supervisor.jobs] beside it has the supervisor's own keys; its strategy is
// simple_one_for_one.
//
// A supervisor that is a child may say restart, shutdown (default "infinity")
// and significant too. Durations are strings with a unit: "250ms", "5s", "1m30s".
//
// What ready and health can ask, one of:
//
//	tcp  = "127.0.0.1:5432"           # somebody accepts a connection
//	unix = "run/api.sock"             # the same; "@NAME" is an abstract socket
//	http = "http://127.0.0.1:80/"     # the answer has a good status:
//	status = "200-299"                # a number, a range, or a list of them
//	listening = 8080                  # one of its own processes listens on that port
//	command = ["pg_isready"]          # it ends with 0; a string is run by the shell
//
// of ready alone:
//
//	log = "listening on"              # a line of its output fits
//	fd  = 3                           # it writes a newline to that descriptor (s6)
//
// and of the first five the time that an answer may take, of health the rest:
//
//	timeout      = "1s"               # none in that time is a bad one
//	interval     = "10s"              # from one question to the next
//	failures     = 3                  # in a row make it unhealthy: it is stopped, abnormally
//	successes    = 1                  # in a row make it healthy
//	start_period = "0s"               # failures do not count before, unless it was healthy
//
// The keys of log, with their defaults; a table [log] at the top of the file sets
// them for every process, and has one more, max_total:
//
//	mode      = "pipe"                # direct: the process writes its file itself
//	split     = false                 # stderr has files of its own
//	max_size  = "16MiB"               # the next file is begun then, at a line's end
//	max_files = 8                     # of one output, the one that is written included
//	max_age   = "168h"                # default: files are kept however old they are
//	compress  = false                 # files that are not written any more
//	full      = "block"               # drop: a full disk costs output, not time
//	max_total = "1GiB"                # of all processes; default: no limit
//
// Sizes are strings with a unit: B, KB, MB, GB, TB or KiB, MiB, GiB, TiB.
//
// # Who a process runs as, and what it may do
//
// All of this stands in the table of the process. What is not said is as coppice has
// it itself.
//
//	user          = "www"             # a name of /etc/passwd or a number in quotes; ${NAME} is replaced
//	group         = "www"             # its primary group; default: the user's
//	groups        = ["logs"]          # its other groups, exactly; default: the user's, and the primary one
//	clear_env     = false             # it begins with PATH and what the file says, nothing inherited
//	umask         = "022"             # octal, in quotes
//	nice          = 0                 # -20 (first) to 19
//	ionice        = "idle"            # realtime | best-effort | { class = "best-effort", level = 4 }
//	sched         = "other"           # batch | idle | { policy = "fifo", priority = 10 } | rr
//	cpu_affinity  = [0, "2-3"]        # the processors that it may use
//	oom_score_adj = 0                 # -1000 to 1000 (killed first)
//	rlimits       = { nofile = 4096, core = 0, as = "2GiB", stack = { soft = "8MiB", hard = "infinity" } }
//	                                  # as core cpu data fsize locks memlock msgqueue nice nofile nproc
//	                                  # rss rtprio rttime sigpending stack
//	no_new_privs  = true              # setuid programs give it nothing; default: true for another
//	                                  # user than coppice's and root, and with syscalls or landlock
//	capabilities  = ["CAP_NET_BIND_SERVICE"] # all that it may ever have; [] is none
//	ambient       = ["CAP_NET_BIND_SERVICE"] # those that it begins with though it is not root;
//	                                  # default: none, also where coppice has some itself
//	root_dir      = "root"            # its /; dir (default /) and the program are then in there
//	private_tmp   = false             # /tmp and /var/tmp of its own, empty
//	read_only     = ["/"]             # with all below; of / but for /dev, /proc and /sys
//	read_write    = ["data"]          # stays as it is, in something that is read_only
//	inaccessible  = ["/root", "-/srv"] # a - in front: it may be missing; of all of these, links are
//	                                  # followed in its root
//	syscalls      = "@service"        # not those that no service needs; { deny = […] } | { allow = […] }
//	landlock      = { read_only = ["/usr"], read_write = ["data"], bind = [8080], connect = [] }
//	                                  # these files (and its secrets) and TCP ports, and no others;
//	                                  # also without root
//	sandbox       = "strict"          # presets what is not said: no_new_privs, no capabilities,
//	                                  # private_tmp, read_only = ["/"] and of /sys and /proc/sys,
//	                                  # /root, /home and /boot inaccessible, syscalls = "@service"
//	secret        = { DB_PASSWORD = { file = "db.pw", as = "file" } }
//
// All of it is set up or the start fails: what this machine, or the rights of coppice,
// cannot enforce is never left out. root_dir to inaccessible, and secrets as files, take
// root (CAP_SYS_ADMIN).
//
// Commands that run beside a process, probes and hooks, have all of it, too.
//
// A secret is read for each start, by what becomes the process; coppice itself reads it
// only to keep it out of what it tells of a hook's, reload's or probe's output. Its variable has not the secret but the path of it, which is a file of mode 0400 in
// /run/credentials, on a file system that this process alone has; as = "fd", which takes
// no rights, makes that a memory file that it has open (/proc/self/fd/N), and as = "env"
// makes it the secret itself, which whatever it starts inherits.
//
// With user, HOME USER LOGNAME and SHELL are set as a login sets them; env_file and
// env come after that. Accounts are looked up in the files, when the file is read and
// again for each start.
//
// # Paths and variables
//
// Relative paths are relative to the tree file's folder. ${NAME} and
// ${NAME:-default} are replaced in dir, user, env and in a list command, from
// env_file and else from the environment of the caller; $${ is a literal ${. A
// string command is left to the shell.
//
// # The Procfile
//
// Each line is NAME: COMMAND with a string command; a .env beside it is the
// env_file of all. The processes are transient, under a one_for_one root.
//
// # How a file is read
//
// Find searches for a file that nobody but its owner can write (find.go), and
// Load reads its bytes (load.go). An index tells where every key and value
// stands, and refuses what would hurt the TOML parser (position.go, scan.go).
// The parser's answer is then read key by key without types of our own
// (table.go), so that one wrong value hides no other fault: process.go and
// supervisor.go read a table each, template.go one that is both, graph.go makes the tree of them and
// limit.go asks whether its restart limits mean anything. Faults are gathered
// on the way and told together, in the order of the file (fault.go). What turns out
// to be wrong only when a process is started gets its line from the same index
// (place.go).
package configs
