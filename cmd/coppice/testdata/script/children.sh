# Children of templates: what stands behind -- is theirs.
ok coppice up -d
ok coppice start-child db job-1 -- work -v 'a b'
out '^job-1 under db: \["work" "-v" "a b"\] map\[\]$'
ok coppice start-child db job-1 --env A=1 -e B=x=y
out 'map\["A":"1" "B":"x=y"\]$'
ok coppice start-child --json db job-1 -- --json
out '"name": "job-1"'
out '"supervisor": "db"'
out '"pid": 9'
exits 4 coppice start-child workr job-1
err 'did you mean worker\?'
exits 2 coppice start-child db
err 'usage: coppice start-child SUPERVISOR NAME'
no_err 'usage.*usage'
exits 2 coppice start-child db job-1 work
err '"work" is one word too many'
exits 2 coppice start-child db -- job-1 work
err 'stand before --'
exits 2 coppice start-child db job-1 --env A
err '--env takes NAME=VALUE'
exits 4 coppice delete-child nobody
exits 2 coppice delete-child
ok coppice down
