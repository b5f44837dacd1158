# status answers with the tree, and with names by its exit code.
exits 3 coppice status
err '^coppice: no daemon runs for this tree'
exits 3 coppice status db
ok coppice up -d

ok coppice status
out '^shop: 2 of 2 running, up .*, daemon pid [0-9]+$'
out '^NAME +STATE +PID +UPTIME +RESTARTS'
out '^├─ db +running +4242 .* 0$'
out '^└─ worker +running'
no_out "$(printf '\033')"

ok coppice status db worker root
ok coppice stop worker
out '^worker is stopped$'
ok coppice stop worker
out '^worker is stopped already$'
exits 3 coppice status db worker
out 'stopped by hand; the next sweep starts it again'
ok coppice status
exits 4 coppice status worker dbb
err '^coppice: there is no dbb in this tree; did you mean db\?$'
ok coppice status --json db
out '"nodes": \['

# The tree file only locates the state folder: it may be wrong, and gone.
cp wrong.toml coppice.toml
ok coppice status
rm coppice.toml
ok coppice status
mkdir sub
cd sub
ok coppice status
ok coppice -f ../missing.toml status
ok coppice --state ../.coppice status
ok coppice --socket ../.coppice/sock status
COPPICE_SOCKET=../.coppice/sock ok coppice status
COPPICE_STATE=../.coppice ok coppice status
exits 3 coppice --state nowhere status
COPPICE_SOCKET=../.coppice/sock exits 3 coppice -f /nowhere/coppice.toml status
ok coppice down
