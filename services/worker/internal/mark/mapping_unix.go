//go:build linux || darwin

package mark

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMark is the mark whose counters are those in the file, a record's. It stays when the file is closed.
func mapMark(file *os.File, path string) (*Mark, error) {
	mapping, err := unix.Mmap(int(file.Fd()), 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	// A mapping begins with a page, so that the counters are aligned as their offset is.
	return &Mark{counters: (*counters)(unsafe.Pointer(&mapping[countersOffset])), mapping: mapping, path: path}, nil
}

func unmap(mapping []byte) error { return unix.Munmap(mapping) }
