# The words of the scripts. exits CODE COMMAND... runs a command and checks its
# exit code; ok is exits 0. out, err and no_out look at what it said.
set -eu
exits() {
	wanted=$1
	shift
	got=0
	command="$*"
	"$@" >"$TMPDIR/out" 2>"$TMPDIR/err" || got=$?
	[ "$got" = "$wanted" ] || fail "exit code $got, not $wanted"
}
ok() { exits 0 "$@"; }
out() { grep -Eq -- "$1" "$TMPDIR/out" || fail "stdout does not have $1"; }
no_out() { ! grep -Eq -- "$1" "$TMPDIR/out" || fail "stdout has $1"; }
err() { grep -Eq -- "$1" "$TMPDIR/err" || fail "stderr does not have $1"; }
no_err() { ! grep -Eq -- "$1" "$TMPDIR/err" || fail "stderr has $1"; }
fail() {
	echo "$command: $1"
	cat "$TMPDIR/out" "$TMPDIR/err"
	exit 1
}
# tree NAME... writes coppice.toml with processes of these names.
tree() {
	echo 'name = "shop"'
	for process; do printf '[process.%s]\ncommand = ["true"]\n' "$process"; done
}
tree db worker >coppice.toml
printf '[process.db]\ncomand = ["true"]\n' >wrong.toml
