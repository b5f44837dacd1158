package configs

// node is where one key of a TOML file stands. The parser tells what a key
// holds and not where it is; a tree of nodes, made by index, tells the rest.
type node struct {
	// key is the last part of the key, without quotes.
	key string
	// name is that part as it stands in the file, value what stands behind the
	// "="; the value of a table that has a header is the header.
	name, value span
	kind        nodeKind
	// fields are a table's keys in the order in which the file mentions them.
	fields []*node
	byKey  map[string]*node // made when fields are many
	// items are the places of an array's elements.
	items []span
}

type nodeKind uint8

const (
	// implicitTable is known only from longer keys: a, of [a.b] or a.b = 1.
	implicitTable nodeKind = iota
	// headedTable has its own [header].
	headedTable
	// tableArray has [[headers]]; its fields are those of the last of them.
	tableArray
	// inlineTable is { key = value }, arrayValue [ value, … ] and plainValue all else.
	inlineTable
	arrayValue
	plainValue
)

// fieldsScannedMax is how many fields are searched one by one.
const fieldsScannedMax = 8

// field is the node of a key of a table; nil when the file does not mention it.
func (n *node) field(key string) *node {
	if n.byKey != nil {
		return n.byKey[key]
	}
	for _, f := range n.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

func (n *node) add(f *node) {
	n.fields = append(n.fields, f)
	if n.byKey == nil && len(n.fields) > fieldsScannedMax {
		n.byKey = make(map[string]*node, 2*len(n.fields))
		for _, old := range n.fields {
			n.byKey[old.key] = old
		}
	} else if n.byKey != nil {
		n.byKey[f.key] = f
	}
}

// isTable says whether keys may stand below it.
func (n *node) isTable() bool { return n.kind <= tableArray }
