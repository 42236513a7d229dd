package demo

import (
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing", nil, ""},
		{"all sleeps, then all counts", []string{"Sleeping for: 1ms", "Sleeping for: 2ms", "The count is: 1", "The count is: 2"}, "2 sleeps, then 2 counts"},
		{"in turn", []string{"Sleeping for: 1ms", "The count is: 1", "Sleeping for: 2ms", "The count is: 2", "Sleeping for: 2ms"}, "1 sleep, 1 count, 1 sleep, 1 count, and so on"},
		{"something else between", []string{"Sleeping for: 1ms", "oops", "The count is: 1"}, "1 sleep, then 1 count"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := summarize(tt.lines); got != tt.want {
				t.Errorf("summarize = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLongestSleep(t *testing.T) {
	t.Parallel()
	lines := []string{"Sleeping for: 12ms", "Sleeping for: 120ms", "The count is: 1", "Sleeping for: much"}
	if got := longestSleep(lines); got != 120*time.Millisecond {
		t.Errorf("longestSleep = %v, want 120ms", got)
	}
}
