package configs

import (
	"net"
	"strconv"
)

const readyForm = `"exec", "exit", "notify" or { tcp = "HOST:PORT" }`

// ready reads when the start of a process is complete.
func (t table) ready() Ready {
	switch value := t.values["ready"].(type) {
	case nil:
		return defaultReady
	case string:
		switch kind := ReadyKind(value); kind {
		case ReadyExec, ReadyExit, ReadyNotify:
			return Ready{Kind: kind}
		}
		t.fault("ready", nearest(value, []string{"exec", "exit", "notify"}, ""), "ready is %s: expected %s", show(value), readyForm)
	case map[string]any:
		return t.below("ready", "ready", value).probe()
	default:
		t.fault("ready", nil, "ready is %s: expected %s", describe(value), readyForm)
	}
	return defaultReady
}

// probe reads the table of a probe.
func (t table) probe() Ready {
	t.unknown([]string{"tcp"}, nil)
	const expected = `"HOST:PORT", like "127.0.0.1:5432"`
	text, ok := t.text("tcp", expected)
	if !ok {
		if len(t.values) == 0 {
			t.faultAt(t.at.value, nil, "ready is an empty table: expected %s", readyForm)
		}
		return defaultReady
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || host == "":
		t.fault("tcp", nil, "tcp is %s: expected %s", show(text), expected)
	case portErr != nil || number == 0:
		t.fault("tcp", nil, "tcp has the port %s: expected a number from 1 to 65535", show(port))
	default:
		return Ready{Kind: ReadyTCP, Address: text}
	}
	return defaultReady
}
