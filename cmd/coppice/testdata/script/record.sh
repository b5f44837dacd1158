# logs, events and why answer with a daemon, and from the state folder without.
exits 3 coppice events
exits 3 coppice logs
exits 3 coppice why db
ok coppice up -d
ok coppice stop db

ok coppice logs
out '^2026-11-2[123] [0-9][0-9]:00:00\.000 db \| red\\x1b]0;title\\x07$'
out '^2026-11-2[123] [0-9][0-9]:00:00\.001 worker \| tab	here ünï$'
ok coppice logs --json db
out '"node":"db"'
ok coppice logs --raw db
out "raw$(printf '\033')\[2J"
exits 4 coppice logs nobody
exits 2 coppice logs --raw
exits 2 coppice logs --raw --json db
exits 2 coppice logs --stderr db

ok coppice events
out ' 2  db +requested: stop$'
out ' 3  db +stopped  \(because of 2\)$'
ok coppice events -n 1
out ' 3  db +stopped  \(because of 2\)$'
no_out 'requested'
ok coppice events -n 0
no_out .
ok coppice events root
no_out ' db '
ok coppice events db root -n 1
out ' 3  db +stopped'
no_out 'requested'
ok coppice events db --since 2000-01-01T00:00:00Z
out ' 2  db +requested'
ok coppice events db --since 2100-01-01T00:00:00Z
no_out .
exits 2 coppice events --since yesterday
exits 4 coppice events dbb
err 'did you mean db'
ok coppice -f missing.toml events
ok coppice --file missing.toml logs -f
ok coppice events --json
out '"kind":"stopped".*"because":2'

ok coppice why db
out 'db is stopped since .*: an operator asked to stop it at .*`coppice start db`'
ok coppice why db --json
out '"chain": \['
exits 4 coppice why dbb
err 'did you mean db'

ok coppice down
ok coppice events
out 'daemon_stopping: down'
no_out 'torn'
ok coppice events -n 1
out 'daemon_stopping: down'
no_out 'requested'
ok coppice events db
out ' 3  db +stopped'
no_out 'daemon_stopping'
exits 4 coppice events dbb
ok coppice events -f
err 'no daemon runs: there is nothing to follow'
ok coppice why db
out '^No daemon runs\. db was last seen stopped'
exits 4 coppice why dbb
mkdir .coppice/log
ok coppice logs
out 'left \| in log'

# Where no daemon runs, that the last tree gave up is said; a later one is another matter.
event() { printf '{"seq":%d,"time":"2026-01-02T03:04:05Z","node":"root","kind":"%s"}\n' "$1" "$2"; }
(event 1 daemon_started; event 2 gave_up) >.coppice/events
exits 3 coppice status
err 'it gave up at 2026-01-02 [0-9:]*: `coppice why root` says why, `coppice up` starts it anew$'
(event 1 daemon_started; event 2 start_failed) >.coppice/events
exits 3 coppice status
err 'it failed to start at 2026-01-02 [0-9:]*: `coppice why root` says why, `coppice up` starts it anew$'
event 3 daemon_started >>.coppice/events
exits 3 coppice status
err '\); `coppice up` starts one$'
