//go:build !linux

package main

import (
	"os"
	"syscall"
)

// attributes are the usual ones: these systems have no figures of /proc, and so most parts fail on them.
func attributes() *syscall.SysProcAttr { return nil }

// killGroup kills a process.
func killGroup(p *os.Process) error { return p.Kill() }

// peak is unknown.
func peak(*os.ProcessState) int64 { return 0 }
