# While a down runs, up -d waits until that daemon is gone and starts a fresh one.
mkdir -m 700 .coppice
mkfifo .coppice/go
PLAY=slowdown ok coppice up -d
coppice events -f >events & events=$!
coppice down >down & down=$!
until coppice status | grep -q 'being stopped'; do :; done
coppice up -d >up & up=$!
echo >.coppice/go
wait $down
wait $up
wait $events
grep -q '^shop is down$' down
grep -Eq '^shop is up, its daemon is pid [0-9]+$' up
grep -q 'daemon_stopping: down' events
ok coppice down

# up -d beside one that is still starting waits with it.
PLAY=hold coppice up -d >one & one=$!
until coppice status >/dev/null 2>&1; do :; done
coppice up -d >two & two=$!
echo >.coppice/go
wait $one
wait $two
grep -q '^shop is up' one
grep -q '^shop runs already' two
ok coppice down
