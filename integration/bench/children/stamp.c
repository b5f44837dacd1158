/* stamp FILE ID [young]: looks at the clock by its first instructions, appends the record, and waits
   to be killed; a young one exits with 1 at once. */
#include "sys.h"

void run(i64 *sp) {
	i64 ns = now();
	char **argv = (char **)(sp + 1);
	stamp(argv[1], number(argv[2]), ns);
	if (sp[0] > 3) sys(SYS_exit_group, 1, 0, 0);
	for (;;) sys(SYS_pause, 0, 0, 0);
}
