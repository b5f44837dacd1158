# up -d returns when the tree is started; two at once make one daemon.
coppice up -d >one & one=$!
coppice up -d >two & two=$!
wait $one
wait $two
[ "$(cat one two | grep -c 'shop is up')" = 1 ]
ok coppice status --json
out '"name": "shop"'
[ -f .coppice/daemon.log ]
ok coppice down
[ ! -e .coppice/sock ]

# A start that fails is told in the daemon's own words.
for way in 'up -d' up daemon; do
	PLAY=fail exits 1 coppice $way
	err '^coppice: db did not start: cannot execute ./db: no such file$'
done

# A wrong tree file is told before anything starts.
for way in 'up -d' up daemon check; do
	exits 2 coppice -f wrong.toml $way
	err 'wrong.toml:2:'
done
exits 2 coppice -f missing.toml up
exits 2 coppice --socket ./other up
err 'use --state DIR'

# After a down the next one is fresh.
ok coppice up -d
ok coppice down
ok coppice up -d --state elsewhere
exits 3 coppice status
ok coppice --state elsewhere down
exits 3 coppice down
err '^coppice: no daemon runs for this tree \(.*\.coppice\); `coppice up` starts one$'
