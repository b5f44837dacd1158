package tree

// Keeps says whether what an incarnation of a child has left for the next one (the
// descriptors of sd_notify's store) is to be kept: as long as the tree may start it
// again by itself or in the course of a restart. An operator's stop of it or of a
// supervisor above it, an end that nothing follows and a removal are the end of that.
// systemd's FileDescriptorStorePreserve=restart means the same (systemd.service(5)).
func (t *Tree) Keeps(id string) bool {
	n := t.index[id]
	if n == nil {
		return false
	}
	for ; n != nil; n = n.parent {
		if state := n.shown(); n.held || state == Finished || state == Failed {
			return false
		}
	}
	return true
}
