// Package ipc is the conversation between the command line and the daemon:
// HTTP/1.1 and JSON over a Unix socket in the state folder.
//
// # Who may speak
//
// The socket belongs to the daemon's user and has mode 0600. A peer whose
// SO_PEERCRED names another user than the daemon's own or root gets a 403.
// The Host of a request is a plain word ("coppice", "localhost"): a name with a
// dot in it is answered 421, a request with an Origin 403, so that no web page
// can speak through a proxy.
//
// # What may be said
//
// Every path stands under /v1/. S is the socket, .coppice/sock by default.
//
//	the tree                    curl --unix-socket S http://coppice/v1/tree
//	… with CPU and memory       curl --unix-socket S http://coppice/v1/tree?usage=1
//	… without its nodes         curl --unix-socket S http://coppice/v1/tree?trunk=1
//	start stop restart a node   curl --unix-socket S -X POST http://coppice/v1/nodes/api/restart
//	reload a process            curl --unix-socket S -X POST http://coppice/v1/nodes/api/reload
//	… without waiting for it    curl --unix-socket S -X POST http://coppice/v1/nodes/api/restart?no_wait=1
//	start a child of a template curl --unix-socket S -d '{"name":"a","args":["x"],"env":{"A":"b"}}' http://coppice/v1/nodes/jobs/children
//	… and forget it again       curl --unix-socket S -X DELETE http://coppice/v1/nodes/a
//	send a signal               curl --unix-socket S -d '{"signal":"SIGHUP","all":true}' http://coppice/v1/nodes/api/kill
//	read the tree file again    curl --unix-socket S -X POST http://coppice/v1/reload
//	… or only say what differs  curl --unix-socket S -d '{"dry_run":true}' http://coppice/v1/reload
//	stop everything             curl --unix-socket S -X POST http://coppice/v1/down
//	wait for the start          curl --unix-socket S http://coppice/v1/started
//	what happened               curl --unix-socket S http://coppice/v1/events?since=0
//	… and what happens next     curl --unix-socket S -N http://coppice/v1/events?follow=1
//	output of one process       curl --unix-socket S http://coppice/v1/logs/api?n=100
//	… of several, and go on     curl --unix-socket S -N 'http://coppice/v1/logs?name=api&name=db&follow=1'
//	… since a moment            curl --unix-socket S http://coppice/v1/logs?since=2026-01-02T15:04:05Z
//	… behind a line seen        curl --unix-socket S http://coppice/v1/logs?positions=1&from=api@3:4711
//	… every byte of one         curl --unix-socket S http://coppice/v1/logs/api?raw=1
//
// A POST returns when the work is done; a client that goes away loses only the
// answer. n counts lines, all of them by default, n=0 none; since and n go
// with follow. stderr=1 beside raw=1 selects the second file of a process whose
// log is split. positions=1 adds to each line of a log its position, behind which
// from=POSITION, once for each output, goes on (many of them are a body,
// {"from":["POSITION"]}); beside raw=1 the answer is then NDJSON with the bytes in
// base64.
//
// # What is answered
//
// The answers are the types of this package: [Tree], [Result], [ReloadResult],
// and on the streams one [Event] or [LogLine] a line (NDJSON), with raw=1 plain
// bytes. Readers accept fields, kinds and states that they do not know; the
// daemon accepts no field or parameter that it does not know. A stream that the
// daemon cannot complete is cut without its last chunk, and so is one whose
// reader takes nothing for ten seconds.
//
// A fault is application/problem+json (RFC 9457): title says what kind it is,
// detail in one line why and what to do, code is a [Code], and faults beside
// code "bad_tree" has every fault of the tree file, ready to print.
//
// # When the daemon dies
//
// A keeper holds the socket, so a request finds the next daemon. [Client] asks
// again what changes nothing when it is asked twice, for a few seconds, and goes
// on with what it follows behind the last event or line that it has seen.
//
// # How the socket is found
//
// [Listen] takes the lock of a state folder and binds the socket in it;
// [Client] dials it. Both go through a descriptor of the folder, so that its
// path may be of any length, where a socket's own name may not exceed 107
// bytes.
package ipc
