package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"
)

// dumpLines is how much is shown of a log, and of the events.
const dumpLines = "40"

// dump shows what a person would look at after a failure.
func (b *box) dump(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
	defer cancel()
	for _, args := range [][]string{
		{"kubectl", "get", "pods", "-A", "-o", "wide"},
		{"kubectl", "-n", space, "get", "events", "--sort-by=.lastTimestamp"},
		{"kubectl", "-n", space, "logs", "-l", "app.kubernetes.io/instance=" + release, "--prefix", "--tail=" + dumpLines, "--ignore-errors"},
		{"kubectl", "-n", space, "logs", "-l", "app.kubernetes.io/instance=" + release, "--prefix", "--tail=" + dumpLines, "--ignore-errors", "--previous"},
	} {
		r, err := run(b.in(ctx, args...))
		if err != nil {
			t.Logf("%s: %v", strings.Join(args, " "), err)
			continue
		}
		lines := strings.Split(r.stdout+r.stderr, "\n")
		t.Logf("%s:\n%s", strings.Join(args, " "), strings.Join(lines[max(0, len(lines)-200):], "\n"))
	}
}
