package treetest

import "math/rand/v2"

// Schedule picks the next job by its place. It must not pick one before an
// older one of the same supervisor; front gives those that it may pick.
type Schedule func(jobs []job) int

// FirstCome does the oldest job first.
func FirstCome([]job) int { return 0 }

// DeepestFirst lets the lower supervisors finish before the upper ones go on.
func DeepestFirst(jobs []job) int {
	best := 0
	for _, i := range front(jobs) {
		if jobs[i].depth > jobs[best].depth {
			best = i
		}
	}
	return best
}

// HighestFirst lets the upper supervisors finish before the lower ones go on.
func HighestFirst(jobs []job) int {
	best := 0
	for _, i := range front(jobs) {
		if jobs[i].depth < jobs[best].depth {
			best = i
		}
	}
	return best
}

// AnyOrder picks by chance; the same seed picks the same.
func AnyOrder(seed uint64) Schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(jobs []job) int {
		f := front(jobs)
		return f[r.IntN(len(f))]
	}
}

// front are the oldest jobs of each supervisor.
func front(jobs []job) []int {
	var places []int
	seen := map[string]bool{}
	for i, j := range jobs {
		if !seen[j.supervisor] {
			seen[j.supervisor] = true
			places = append(places, i)
		}
	}
	return places
}
