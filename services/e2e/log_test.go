package e2e

import (
	"strings"

	"github.com/fanout-load/fanout/services/internal/logtest"
)

// tail is the end of a service's log, without the lines that each call leaves.
func tail(log *logtest.Log, n int) string {
	var kept strings.Builder
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, `msg="finished call"`) {
			kept.WriteString(line)
		}
	}
	text := kept.String()
	return text[max(len(text)-n, 0):]
}
