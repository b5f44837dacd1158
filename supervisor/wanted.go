package supervisor

import (
	"maps"

	"coppice/configs"
	"coppice/tree"
)

// wanted is the configuration that is in force, and those that reloads bring. It
// changes only by what the journal has, so a new daemon comes to the same.
type wanted struct {
	config *configs.Config
	coming map[uint64]coming // by the number of their request
	places placesOf
}

// placesOf are the places of one configuration; they are found when they are needed.
type placesOf struct {
	config *configs.Config
	*configs.Places
}

// placed adds to what is wrong with a process where the tree file says it:
// "(coppice.toml:12)". key is the one at fault; "" where the file has none.
func (w *wanted) placed(process, key, cause string) string {
	if key == "" || w.config == nil {
		return cause
	}
	if w.places.config != w.config {
		w.places = placesOf{w.config, configs.PlacesOf(w.config)}
	}
	if at := w.places.At(process, key); at != "" {
		return cause + " (" + at + ")"
	}
	return cause
}

// coming is a configuration that the tree is taking over.
type coming struct{ before, between, next *configs.Config }

// apply begins a reload. The settings of processes that stay or come are in force
// at once; those of processes that go are needed until they have gone.
func (w *wanted) apply(call uint64, next *configs.Config) {
	between := *next
	between.Settings = maps.Clone(w.config.Settings)
	maps.Copy(between.Settings, next.Settings)
	if w.coming == nil {
		w.coming = map[uint64]coming{}
	}
	w.coming[call] = coming{w.config, &between, next}
	w.config = &between
}

// applied ends a reload, if the reply is one's. Another reload may have come
// meanwhile: then its configuration stays in force.
func (w *wanted) applied(reply tree.Reply) {
	c, found := w.coming[reply.ID]
	delete(w.coming, reply.ID)
	switch {
	case !found || w.config != c.between:
	case reply.Refusal == "":
		w.config = c.next
	case goesOn(reply): // processes that are to go are still there
	default:
		w.config = c.before
	}
}
