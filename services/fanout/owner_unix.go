//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownedByUs reports whether a file is this user's, and nobody else can write it.
func ownedByUs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid() && info.Mode().Perm()&0o022 == 0
}
