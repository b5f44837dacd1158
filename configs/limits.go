package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits are what the cgroup of a process is limited to, cgroups(7) and the kernel's
// Documentation/admin-guide/cgroup-v2. 0 is no limit. A limit whose controller is not
// there makes the start fail.
type Limits struct {
	// MemoryMax and MemoryHigh are bytes: above the first a process of the group is
	// killed (memory.max, and no swap), above the second they are slowed down and
	// their memory is reclaimed (memory.high).
	MemoryMax  int64 `json:"memory_max,omitempty"`
	MemoryHigh int64 `json:"memory_high,omitempty"`
	// PIDsMax is how many processes and threads there may be (pids.max).
	PIDsMax int64 `json:"pids_max,omitempty"`
	// CPUMax is in percent of one CPU (cpu.max): 150 is one and a half.
	CPUMax int64 `json:"cpu_max,omitempty"`
	// CPUWeight and IOWeight are from 1 to 10000; what says nothing has 100
	// (cpu.weight, io.weight).
	CPUWeight int64 `json:"cpu_weight,omitempty"`
	IOWeight  int64 `json:"io_weight,omitempty"`
}

const (
	memoryMin  = 64 << 10 // below that no program can be executed
	pidsMax    = 4 << 20  // PID_MAX_LIMIT
	weightMax  = 10_000
	cpuMax     = 100 * 8192 // NR_CPUS of the largest kernels
	limitsForm = `{ memory_max = "512MiB", pids_max = 200, cpu_max = "150%" }`
	cpuMaxForm = `a part of one CPU like "50%" or "150%"`
)

var limitKeys = []string{"memory_max", "memory_high", "pids_max", "cpu_max", "cpu_weight", "io_weight"}

// limits reads what a process is limited to.
func (t table) limits() Limits {
	value, found := t.values["limits"]
	if !found {
		return Limits{}
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("limits", nil, "limits is %s: expected a table like %s", describe(value), limitsForm)
		return Limits{}
	}
	l := t.below("limits", "limits", values)
	l.unknown(limitKeys, nil)
	limits := Limits{
		PIDsMax:   l.amount("pids_max", pidsMax),
		CPUMax:    l.cpuMax(),
		CPUWeight: l.amount("cpu_weight", weightMax),
		IOWeight:  l.amount("io_weight", weightMax),
	}
	limits.MemoryMax, _ = l.size("memory_max", memoryMin)
	limits.MemoryHigh, _ = l.size("memory_high", memoryMin)
	if limits.MemoryMax > 0 && limits.MemoryHigh > limits.MemoryMax {
		l.fault("memory_high", nil, "memory_high is above memory_max, so it would never be reached")
	}
	return limits
}

// amount reads a whole number from 1 to most; 0: there is none.
func (t table) amount(key string, most int64) int64 {
	value, found := t.values[key]
	if !found {
		return 0
	}
	n, ok := value.(int64)
	if !ok || n < 1 || n > most {
		t.fault(key, nil, "%s is %s: expected a whole number from 1 to %d", key, describe(value), most)
		return 0
	}
	return n
}

// cpuMax reads a percentage of one CPU.
func (t table) cpuMax() int64 {
	text, ok := t.text("cpu_max", cpuMaxForm)
	if !ok {
		return 0
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || math.IsNaN(n):
		t.fault("cpu_max", nil, "cpu_max is %s: expected %s", show(text), cpuMaxForm)
	case !percent:
		t.fault("cpu_max", say(fmt.Sprintf("say \"%.0f%%\" for %s CPUs", 100*n, text)), "cpu_max is %s, which has no unit: expected %s", show(text), cpuMaxForm)
	case n < 1 || n > cpuMax || n != math.Trunc(n):
		t.fault("cpu_max", nil, "cpu_max is %s: expected a whole percentage from 1%% to %d%%", show(text), cpuMax)
	default:
		return int64(n)
	}
	return 0
}
