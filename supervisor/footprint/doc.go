// Package footprint gives back memory that a process of ours has used and does not
// use now: daemon and keeper live for months, and almost all of that they wait.
//
// # What there is to give back
//
//   - The heap that Go keeps for what may come: after a thousand children were read,
//     started and written down it is several times what lives.
//   - Pages of the program. To begin, a process runs through most of its code and
//     reads its tables; the kernel maps 64 KiB around each touch. A daemon that waits
//     uses none of that. What is let go is not lost: these pages are the file's, are
//     in the page cache as before, and the next touch maps them again, without reading,
//     in about a microsecond for 64 KiB.
//
// # When
//
// Whoever does work says so (Heap.Stir). A second after much work is over, or two after
// little (a restart, a status), memory is given back, once; while much work goes on, the
// heap's every ten seconds. While nothing happens no timer runs.
package footprint
