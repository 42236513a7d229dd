package mark

import "golang.org/x/sys/unix"

// bootID says which boot of the machine this is, and is empty if that cannot be told.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
