package tree

// allowRestart counts one restart attempt and says whether the limit allows it:
// at most Intensity in any Period, both ends of the window included
// (supervisor.erl add_restart/1).
func (t *Tree) allowRestart(s *node) bool {
	limit := s.spec.Flags
	if limit.Intensity < 0 {
		s.window = nil
		return true
	}
	now, period := t.now, limit.Period
	if t.opts.OTP {
		now, period = now/Second, period/Second
	}
	keep := 0
	for keep < len(s.window) && s.window[keep] < now-period {
		keep++
	}
	s.window = append(s.window[keep:len(s.window):len(s.window)], now)
	return len(s.window) <= limit.Intensity
}
