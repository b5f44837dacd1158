# Several names are done in order, the rest also when one is refused; the first
# failure's code is the exit code.
ok coppice up -d
exits 4 coppice stop nobody db root
out '^db is stopped$'
err '^coppice: there is no nobody in this tree; `coppice status` lists the names$'
err '^coppice: root is not stopped by itself; use `coppice down`$'
exits 1 coppice stop root nobody
ok coppice start db
out '^db is running$'
ok coppice start db
out 'already'
ok coppice restart db worker
ok coppice restart --no-wait db
ok coppice stop --json db
out '"name": "db"'

ok coppice kill db
out 'sent SIGTERM to db, all: false'
ok coppice kill -s hup --all db
out 'sent SIGHUP to db, all: true'
ok coppice kill -s 9 db
out 'SIGKILL'
exits 2 coppice kill -s FOO db
err 'there is no signal FOO'
exits 2 coppice kill db -9
err 'given by -s: `coppice kill NAME -s 9`$'
exits 2 coppice kill -KILL db
err 'NAME -s KILL`$'
exits 2 coppice kill db -x
err 'see `coppice kill --help`$'
exits 4 coppice events -f coppice.toml
err '--file coppice.toml'
exits 4 coppice logs -f coppice.toml
err '--file coppice.toml'

# Usage.
exits 2 coppice stop
err '^coppice: NAME is missing; usage: coppice stop NAME'
exits 2 coppice kill one two
err '^coppice: "two" is one word too many; usage: coppice kill NAME'
exits 2 coppice logs -n x
err '^coppice: invalid argument "x" for "-n, --lines" flag: expected a whole number; see `coppice logs --help`$'
exits 2 coppice wait db --for ready --timeout 5
err 'flag: expected a time like 10s or 1m30s; see'
exits 2 coppice kill db HUP
err '^coppice: "HUP" is one word too many; a signal is given by -s: `coppice kill db -s HUP`'
exits 2 coppice check other.toml
err '^coppice: a tree file is named by --file other.toml; usage: coppice check'
exits 2 coppice stats
err '^coppice: there is no command stats; did you mean status\?$'
exits 2 coppice status --jsn
err 'unknown flag: --jsn'
exits 2 coppice up now
ok coppice
out 'Usage:'
ok coppice help stop
ok coppice version
out '^coppice [0-9]'
ok coppice version --json
ok coppice completion bash
ok coppice __complete stop d
out '^db	stopped$'
no_out '^root.*directive'
ok coppice __complete wait db --for h
out '^healthy$'
ok coppice down
exits 3 coppice start db worker
[ "$(grep -c . "$TMPDIR/err")" = 1 ]
ok coppice __complete stop d
