// Command bench measures supervisors side by side: coppice, its peers, and floors, which are bare programs
// that do nothing but start and reap.
package main
