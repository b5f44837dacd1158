# Trees of one folder share a state folder: -f FILE means the tree of that file.
tree ticker >other.toml
ok coppice up -d
for way in up 'up -d' daemon; do
	exits 1 coppice $way -f other.toml
	err '^coppice: what runs here is shop, loaded from .*/coppice.toml and not from .*/other.toml: .*--state DIR'
done
for way in status events 'why db' logs 'stop db' 'start db' 'restart db'; do
	ok coppice -f other.toml $way
	err '^coppice: what runs here is shop, loaded from .*/coppice.toml'
	ok coppice -f coppice.toml $way
	no_err .
done
ok coppice plan -f other.toml
err '^coppice: the tree that runs was loaded from .*/coppice.toml; it would be that of .*/other.toml from then on$'
ok coppice plan -f coppice.toml
no_err .
ok coppice up -d -f other.toml --state other
ok coppice status -f other.toml --state other
no_err .
ok coppice down -f other.toml --state other

# A reload makes the tree that of another file, and says so.
ok coppice reload -f other.toml
err '^coppice: the tree was that of .*/coppice.toml; from now on it is that of .*/other.toml, which a bare `coppice reload` reads, too$'
ok coppice up -d
out '^what runs was loaded from .*/other.toml; `coppice reload -f .*/coppice.toml` takes over this one$'
ok coppice reload -f coppice.toml
err '^coppice: the tree was that of .*/other.toml; from now on it is that of .*/coppice.toml,'
ok coppice reload -f coppice.toml
no_err .

# Its own file is found by any of its paths, and may be wrong, moved or gone.
ln -s coppice.toml link.toml
ok coppice stop db -f link.toml
cp wrong.toml coppice.toml
ok coppice start db -f ../"${PWD##*/}"/coppice.toml
mv coppice.toml moved.toml
ok coppice stop db -f moved.toml
ok coppice start db -f coppice.toml
ok coppice down -f coppice.toml
