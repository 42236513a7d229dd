package mark

import (
	"os"
	"strings"
)

// bootID says which boot of the machine this is, and is empty if that cannot be told, as where /proc is not there. In containers
// it is mostly the machine's; one that is given its own gets another each time it starts, and its marks are ignored then.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
