# reload says each change in one line.
ok coppice up -d
ok coppice plan
out '^nothing differs$'
tree db worker new >coppice.toml
ok coppice reload --dry-run
out '^\+ process new under root$'
ok coppice plan --json
out '"dry_run": true'
ok coppice reload
out '^\+ process new under root$'

echo '# broken' >>coppice.toml
exits 1 coppice reload
out '^! process db: command, env \(restarts it\) \(failed\)$'
err '^coppice: db: cannot execute ./db: no such file$'

tree db worker new other >other.toml
ok coppice -f other.toml plan
out '^\+ process other under root$'

cp wrong.toml coppice.toml
exits 2 coppice reload
err 'coppice.toml:2:'
err '^coppice: the tree file is wrong; nothing was changed$'
exits 2 coppice check
err 'coppice.toml:2:'
no_out .
ok coppice -f other.toml check
out 'is right: 4 processes, 1 supervisor in tree shop$'
ok coppice -f other.toml check --json
out '"processes": 4'
exits 2 coppice -f none.toml check
ok coppice down
exits 3 coppice reload
