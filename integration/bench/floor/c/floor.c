/* floor JOB OUT: the least that a supervisor in C can do: starts each line of JOB (words by spaces) with posix_spawn, stdout
   and stderr to OUT, restarts whoever ends, on SIGTERM stops all at once and waits for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 16, PIDS = 1 << 22 };
static struct { char *word[WORDS]; pid_t pid; } *children; /* pid 0: does not run */
static int count, alive, *child_of; /* by pid */
static posix_spawn_file_actions_t files;
static posix_spawnattr_t attributes;
extern char **environ;

static void fail(const char *what) {
	perror(what);
	exit(1);
}

static void load(const char *path) {
	char *line = NULL;
	size_t room = 0;
	FILE *f = fopen(path, "r");
	if (!f) fail(path);
	while (getline(&line, &room, f) > 0) {
		children = realloc(children, (count + 1) * sizeof *children);
		char *copy = strdup(line);
		int words = 0;
		for (char *w = strtok(copy, " \n"); w && words < WORDS - 1; w = strtok(NULL, " \n")) children[count].word[words++] = w;
		children[count].pid = 0;
		children[count++].word[words] = NULL;
	}
	fclose(f);
}

static void start(int i) {
	pid_t pid;
	if ((errno = posix_spawn(&pid, children[i].word[0], &files, &attributes, children[i].word, environ))) fail(children[i].word[0]);
	children[i].pid = pid;
	child_of[pid] = i;
	alive++;
}

int main(int argc, char **argv) {
	if (argc != 3) return 2;
	load(argv[1]);
	child_of = calloc(PIDS, sizeof *child_of);
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	for (int i = 0; i < count; i++) start(i);
	for (int ending = 0; !ending || alive;) {
		int pid, signal = sigwaitinfo(&set, NULL);
		if (signal == SIGTERM) {
			ending = 1;
			for (int i = 0; i < count; i++)
				if (children[i].pid) kill(children[i].pid, SIGTERM);
		}
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
			int i = child_of[pid];
			children[i].pid = 0;
			alive--;
			if (!ending) start(i);
		}
	}
	return 0;
}
