package preflight

import (
	"fmt"
	"os"
)

// Ports is how many local ports there are for connections to one address; 0: it is not known.
func Ports() int64 {
	said, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	var first, last int64
	if _, err := fmt.Sscan(string(said), &first, &last); err != nil || last < first {
		return 0
	}
	return last - first + 1
}
