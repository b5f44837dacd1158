/* chatter FILE ID GATE MB CHUNK MILLISECONDS: waits until somebody opens GATE, a FIFO, for writing; then it writes up to
   MB megabytes of numbered lines of 100 bytes to its standard output, CHUNK bytes a write, for so long
   at most. A first record tells that it is there, a second one when it begins, a third one, with the number of lines in the
   place of ID, when the last write was accepted. Then it waits to be killed. */
#include "sys.h"

enum { LINE = 100, LINES = 4096, DIGITS = 10 };
static char buf[LINES * LINE];

static void fill(i64 first, i64 lines) {
	for (i64 k = 0; k < lines; k++) {
		i64 v = first + k;
		for (int i = DIGITS - 1; i >= 0; i--, v /= 10) buf[k * LINE + i] = '0' + v % 10;
	}
}

void run(i64 *sp) {
	char **argv = (char **)(sp + 1);
	i64 lines = number(argv[4]) * (1000000 / LINE), chunk = number(argv[5]), n = 0;
	for (i64 i = 0; i < LINES * LINE; i++) buf[i] = i % LINE == LINE - 1 ? '\n' : 'x';
	stamp(argv[1], number(argv[2]), now());
	sys(SYS_open, (i64)argv[3], O_RDONLY, 0);
	i64 begin = now(), end = begin + number(argv[6]) * 1000000L;
	stamp(argv[1], number(argv[2]), begin);
	while (n < lines && now() < end) {
		i64 have = lines - n < LINES ? lines - n : LINES;
		fill(n, have);
		n += have;
		for (i64 at = 0; at < have * LINE;) {
			i64 want = have * LINE - at, did = sys(SYS_write, 1, (i64)buf + at, want < chunk ? want : chunk);
			if (did > 0) at += did;
		}
	}
	stamp(argv[1], n, now());
	for (;;) sys(SYS_pause, 0, 0, 0);
}
