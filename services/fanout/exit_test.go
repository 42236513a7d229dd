package main

import (
	"errors"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
)

// Each verdict has its exit code, and a run that never started has an error's.
func TestVerdictCode(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		name    string
		verdict run.Verdict
		started time.Time
		want    exitCode
	}{
		{"passed", run.Passed, now, 0},
		{"failed", run.Failed, now, 99},
		{"never started", run.Failed, time.Time{}, 1},
		{"incomplete", run.Incomplete, now, 3},
		{"cancelled", run.Cancelled, now, 130},
		{"cancelled before its start", run.Cancelled, time.Time{}, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := verdictCode(&run.Run{Verdict: tt.verdict, Started: tt.started}); got != tt.want {
				t.Errorf("verdictCode(%v, started %v) = %d, want %d", tt.verdict, tt.started, got, tt.want)
			}
		})
	}
}

func TestExitError(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	for _, tt := range []struct {
		name string
		err  error
		code exitCode
		text string
	}{
		{"failure", failure(cause), 1, "the cause"},
		{"usage", usage(cause), 2, "the cause"},
		{"a code alone", &exitError{code: exitFailed}, 99, "exit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var exit *exitError
			if !errors.As(tt.err, &exit) || exit.code != tt.code || tt.err.Error() != tt.text {
				t.Errorf("error = %v with code %d, want %q with %d", tt.err, exit.code, tt.text, tt.code)
			}
			if tt.text == cause.Error() && !errors.Is(tt.err, cause) {
				t.Errorf("error = %v, want its cause in it", tt.err)
			}
		})
	}
}
