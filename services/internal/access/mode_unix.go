//go:build unix

package access

import (
	"os"
	"syscall"
)

// modeOf is who may read and write the file; 0 for what is no file, as a pipe.
func modeOf(file *os.File) os.FileMode {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Mode().Perm()
}

// likeOld gives a new file the owner and the mode of the one whose place it takes.
func likeOld(file *os.File, old os.FileInfo) error {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok {
		if info, err := file.Stat(); err != nil || !sameOwner(info, stat) {
			if err := file.Chown(int(stat.Uid), int(stat.Gid)); err != nil {
				return err
			}
		}
	}
	return file.Chmod(old.Mode().Perm())
}

func sameOwner(info os.FileInfo, stat *syscall.Stat_t) bool {
	own, ok := info.Sys().(*syscall.Stat_t)
	return ok && own.Uid == stat.Uid && own.Gid == stat.Gid
}
