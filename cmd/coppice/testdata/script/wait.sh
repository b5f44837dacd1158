# wait returns when it is so, and 1 past its timeout.
ok coppice up -d
ok coppice wait db worker
ok coppice wait db --for ready --json
out '"for": "ready"'
coppice wait db --for stopped & stopped=$!
coppice wait db --for exited & exited=$!
exits 1 coppice wait db --for stopped --timeout 50ms
err '^coppice: waited 50ms in vain: db is running, not stopped$'
ok coppice stop db
wait $stopped
wait $exited
ok coppice wait db --for exited
exits 4 coppice wait nobody
exits 2 coppice wait db --for lunch
coppice wait db --for ready & ready=$!
ok coppice start db
wait $ready
exits 1 coppice wait db --for healthy --timeout 50ms
coppice wait db --for exited & exited=$!
ok coppice down
exits 3 coppice wait db
