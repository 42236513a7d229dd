package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpu is the CPU time that the process has used so far. It is the sum over its threads in nanoseconds, as the scheduler counts
// them; threads that have ended are not in it, and Go's do not end.
func (p *process) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("no threads of %s in /proc: it has ended, or this is not Linux", p.name)
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended since
		}
		if err != nil {
			return 0, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
		}
		ran, err := parseSchedstat(string(text))
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", task, err)
		}
		sum += ran
	}
	return sum, nil
}

// parseSchedstat is the first of the numbers in a thread's schedstat: the time that it ran.
func parseSchedstat(text string) (time.Duration, error) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return 0, fmt.Errorf("%q is not three numbers", text)
	}
	nanos, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(nanos), nil
}

// resident is how much of the process is in memory now, and the most that was, in bytes.
func (p *process) resident() (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of %s: %w", p.name, err)
	}
	if now, err = parseStatus(string(text), "VmRSS"); err != nil {
		return 0, 0, err
	}
	peak, err = parseStatus(string(text), "VmHWM")
	return now, peak, err
}

// parseStatus is a size of a process's status in bytes.
func parseStatus(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if len(words) != 2 || words[1] != "kB" {
			return 0, fmt.Errorf("%s is not in kB: %q", name, rest)
		}
		kibibytes, err := strconv.ParseInt(words[0], 10, 64)
		return kibibytes << 10, err
	}
	return 0, fmt.Errorf("the status has no %s", name)
}
