# A process with a script, in the words of OTP's scenarios:
#
#   child.sh NAME STOP READY START...
#
# STOP is what it does when asked to stop: shutdown (SIGTERM ends it), normal,
# crash, ignore. READY is how its start is complete: exec, or notify. The STARTs
# are what the first, second, ... start leads to, one with * holds for all further
# ones, past the end all is ok. In the folder that it works in, count/NAME counts
# its starts and ctl/NAME is a FIFO through which it is told how to end. Who can
# open that FIFO for writing knows that everything before has been done.
name=$1 stop=$2 ready=$3
shift 3

start=0
if [ -f "count/$name" ]; then
	read -r start <"count/$name"
fi
start=$((start + 1))
echo "$start" >"count/$name"

# answer K START...: what the K-th start leads to.
answer() {
	want=$1 at=0 found=ok
	shift
	for word; do
		at=$((at + 1))
		case $word in
		*\*)
			found=${word%\*}
			return
			;;
		esac
		if [ "$at" -eq "$want" ]; then
			found=$word
			return
		fi
	done
}

end() {
	case $1 in
	normal) exit 0 ;;
	crash) exit 1 ;;
	shutdown)
		trap - TERM
		kill -TERM $$
		;;
	esac
}

case $stop in
normal) trap 'exit 0' TERM ;;
crash) trap 'exit 1' TERM ;;
ignore) trap '' TERM ;;
esac

# A start that fails because there is no program has nobody to say so: the start
# before it takes the program away.
answer $((start + 1)) "$@"
if [ "$ready $found" = "exec fail" ]; then
	rm -f "bin/$name"
fi
answer "$start" "$@"
if [ "$found" = fail ]; then
	exit 1
fi
if [ "$ready" = notify ]; then
	"$NOTIFIER" notify READY=1 exit0 >/dev/null || exit 111
fi
end "$found"
exec 3<>"ctl/$name"
while read -r how <&3; do
	end "$how"
done
