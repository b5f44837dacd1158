package tree

// windowMax is the number of restarts that are remembered under an intensity
// without a limit: a later one that has a limit finds them in its window.
const windowMax = 1 << 20

// allowRestart counts one restart attempt and says whether the limit allows it:
// at most Intensity in any Period, both ends of the window included
// (supervisor.erl add_restart/1).
func (t *Tree) allowRestart(s *node) bool {
	limit := s.spec.Flags
	now, period := t.now, limit.Period
	if t.opts.OTP {
		now, period = now/Second, period/Second
	}
	keep := 0
	for keep < len(s.window) && s.window[keep] < now-period {
		keep++
	}
	s.window = append(s.window[keep:], now)
	if limit.Intensity < 0 {
		s.window = s.window[max(len(s.window)-windowMax, 0):]
		return true
	}
	return len(s.window) <= limit.Intensity
}
