# up runs in the foreground, is refused on a running tree, and ends with down.
coppice up >up.out &
up=$!
until coppice status >/dev/null 2>&1; do :; done
ok coppice up -d
out '^shop runs already, its daemon is pid [0-9]+$'
no_out 'reload'

exits 1 coppice up
err '^coppice: the tree runs already, its daemon is pid [0-9]+.*; use `coppice logs -f` to see its output$'
exits 1 coppice daemon
err "its daemon is pid $(cat .coppice/lock)[;,]"

tree db >coppice.toml
ok coppice up -d
out '`coppice reload` takes it over$'

ok coppice down
out '^shop is down$'
wait $up
grep '^up with shop$' up.out

# A switch that is set otherwise than it can be is no guess.
for way in up 'up -d' daemon; do
	COPPICE_CGROUP=no exits 2 coppice $way
	err '^coppice: COPPICE_CGROUP is "no": it is "off"'
done
