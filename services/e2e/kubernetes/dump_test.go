package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"
)

// dumpLines is how much is shown of each.
const dumpLines = 100

// dump shows what a person would look at after a failure.
func (b *box) dump(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
	defer cancel()
	for _, args := range [][]string{
		{"kubectl", "get", "pods", "-A", "-o", "wide"},
		{"kubectl", "-n", space, "get", "events", "--sort-by=.lastTimestamp"},
		{"kubectl", "-n", space, "logs", "-l", "app.kubernetes.io/instance=" + release, "--prefix", "--tail=200", "--ignore-errors"},
		{"kubectl", "-n", space, "logs", "-l", "app.kubernetes.io/instance=" + release, "--prefix", "--tail=200", "--ignore-errors", "--previous"},
	} {
		r, err := run(b.in(ctx, args...))
		if err != nil {
			t.Logf("%s: %v", strings.Join(args, " "), err)
			continue
		}
		var kept []string
		for line := range strings.Lines(r.stdout + r.stderr) {
			if !strings.Contains(line, `msg="finished call"`) { // each call leaves one
				kept = append(kept, line)
			}
		}
		t.Logf("%s:\n%s", strings.Join(args, " "), strings.Join(kept[max(0, len(kept)-dumpLines):], ""))
	}
}
