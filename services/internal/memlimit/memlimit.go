// Package memlimit says how much memory this process may take, by the control group that it is in. Containers are control groups, and so
// are units of systemd; a process that takes more than its group may is killed.
package memlimit

import (
	"bufio"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unlimited is from where on a limit of the older control groups is none: they say the greatest number of whole pages.
const unlimited = math.MaxInt64 / 2

// fromFiles is the least limit of the process's control group and those around it, from the root of the file system; 0: there is none.
func fromFiles(root fs.FS) int64 {
	groups, err := root.Open("proc/self/cgroup")
	if err != nil {
		return 0
	}
	defer groups.Close()
	least := int64(0)
	for lines := bufio.NewScanner(groups); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3) // hierarchy, controllers, group
		if len(parts) != 3 {
			continue
		}
		switch controllers := strings.Split(parts[1], ","); {
		case parts[0] == "0" && parts[1] == "":
			least = lesser(least, within(root, "sys/fs/cgroup", parts[2], "memory.max"))
		case slices.Contains(controllers, "memory"):
			least = lesser(least, within(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	return least
}

// within is the least limit of a group and those around it. In a container the file system begins at the container's group, whatever
// the group is called outside; so the mount itself counts too.
func within(root fs.FS, mount, group, file string) int64 {
	least := int64(0)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		least = lesser(least, limit(root, path.Join(mount, dir, file)))
		if dir == "/" {
			return least
		}
	}
}

// limit is the limit in a file; 0: none.
func limit(root fs.FS, name string) int64 {
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64) // "max" is none
	if err != nil || bytes <= 0 || bytes >= unlimited {
		return 0
	}
	return bytes
}

// lesser is the lesser of two limits of which 0 is none.
func lesser(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
