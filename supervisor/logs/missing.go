package logs

// at is the record for the byte at a place.
func (c *source) at(place int64) record {
	i := len(c.parts) - 1
	for i > 0 && c.parts[i].from > place {
		i--
	}
	return c.parts[i].times.at(place - c.parts[i].base)
}

// missing puts a note into head if something is missing at the place that is
// next, and lets go of the parts that are done with.
func (c *source) missing() bool {
	for {
		if len(c.gaps) > 0 && c.gaps[0].place <= c.start {
			g := c.gaps[0]
			c.gaps = c.gaps[1:]
			if g.bytes == 0 && g.files == 0 {
				continue // a torn line is cut there, and that is all
			}
			c.note(Line{Time: c.at(c.start).when(), Dropped: g.bytes, Files: g.files}, c.position(c.start, true))
			return true
		}
		p := &c.parts[0]
		offset := c.start - p.base
		if len(c.parts) > 1 {
			offset = min(offset, c.parts[1].from-p.base)
		}
		p.times.at(offset) // reads what is told of it
		if r, bytes, records := p.times.dropped(offset); records > 0 {
			c.noteDropped(p, r, bytes, records)
			return true
		}
		if len(c.parts) == 1 || c.parts[1].from > c.start {
			return false
		}
		c.parts = c.parts[1:]
		if c.tells == c.parts[0].from {
			c.tells = -1 // what is told at the end of a file is not told at the beginning of the next
		}
	}
}

// noteDropped puts a note into head about bytes that were thrown away in a part.
func (c *source) noteDropped(p *part, r record, bytes int64, records int) {
	l := Line{Time: r.when(), Incarnation: r.mark, Dropped: bytes}
	place := p.base + r.offset
	if place != c.start { // the index is not in order
		c.note(l, c.position(c.start, false))
		return
	}
	if place != c.tells {
		c.told, c.tells = 0, place
	}
	c.note(l, Position{Name: c.name, Stderr: c.stderr, Seq: p.seq, Offset: r.offset, Told: c.told})
	c.told += records
	c.head.At.Told = c.told
}

// note puts a note at a position into head.
func (c *source) note(l Line, at Position) {
	l.Name, l.Stderr, l.At = c.name, c.stderr, at
	c.head, c.before = l, at
}

// change is the first place behind the one that is next, and before to, at which
// something is missing or, unless the bytes are all that counts, another
// incarnation begins; to if there is none.
func (c *source) change(to int64) int64 {
	mark := c.at(c.start).mark // 0: it is not known, or does not matter
	if c.raw {
		mark = 0
	}
	for i := range c.parts {
		p := &c.parts[i]
		if i+1 < len(c.parts) && c.parts[i+1].from <= c.start || p.from >= to {
			continue
		}
		if place := c.changeIn(p, i, mark, to); place < to {
			return place
		}
	}
	for _, g := range c.gaps {
		if g.place > c.start {
			return min(to, g.place)
		}
	}
	return to
}

// changeIn is change within one part, its ends included: something may be missing
// at the beginning and at the end of a file.
func (c *source) changeIn(p *part, i int, mark uint32, to int64) int64 {
	from, bound := c.start, to-p.base
	if i+1 < len(c.parts) {
		bound = min(bound, c.parts[i+1].from-p.base+1)
	}
	if p.from > c.start {
		if next := p.times.at(p.from - p.base).mark; mark != 0 && next != 0 && next != mark {
			return p.from
		}
		from = p.from - 1
	}
	if change := p.times.change(from-p.base, bound, !c.raw); change < bound {
		return p.base + change
	}
	return to
}
