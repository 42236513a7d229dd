package bench

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in Linux's /proc: 1/100 s on every architecture that Go knows.
const tick = 10 * time.Millisecond

// machineTime is the CPU time that the machine has spent since it started, on anything, its host's thefts included. 0: this
// system does not tell.
func machineTime() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var spent int64
	for i, field := range strings.Fields(line) {
		if i >= 1 && i <= 8 && i != 4 && i != 5 { // user nice system IDLE IOWAIT irq softirq steal; guests are in user
			n, _ := strconv.ParseInt(field, 10, 64) // the kernel's own figures
			spent += n
		}
	}
	return time.Duration(spent) * tick
}

// ownTime is the CPU time that this process has spent, without its children.
func ownTime() time.Duration {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may have spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64) // the kernel's own figures
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}
