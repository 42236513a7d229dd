package demo

import (
	"fmt"
	"strings"
	"time"
)

// What the target prints.
const (
	sleepPrefix = "Sleeping for: "
	countPrefix = "The count is: "
)

// summarize tells in which order the target slept and counted.
func summarize(lines []string) string {
	var runs []string
	sleeps, counts := 0, 0
	flush := func() {
		if sleeps > 0 {
			runs = append(runs, fmt.Sprintf("%d sleep%s", sleeps, plural(sleeps)))
		}
		if counts > 0 {
			runs = append(runs, fmt.Sprintf("%d count%s", counts, plural(counts)))
		}
		sleeps, counts = 0, 0
	}
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, sleepPrefix):
			if counts > 0 {
				flush()
			}
			sleeps++
		case strings.HasPrefix(line, countPrefix):
			if sleeps > 0 {
				flush()
			}
			counts++
		}
	}
	flush()
	if len(runs) > 4 {
		return strings.Join(runs[:4], ", ") + ", and so on"
	}
	return strings.Join(runs, ", then ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// longestSleep is the longest sleep in what the target printed.
func longestSleep(lines []string) time.Duration {
	var longest time.Duration
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, sleepPrefix); ok {
			if d, err := time.ParseDuration(strings.TrimSpace(text)); err == nil {
				longest = max(longest, d)
			}
		}
	}
	return longest
}

func trimLine(text string) string { return strings.TrimRight(text, "\r\n") }
