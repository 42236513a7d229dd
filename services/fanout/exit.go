package main

import "github.com/fanout-load/fanout/services/internal/run"

// exitCode is what the process says at its end.
type exitCode int

// The exit codes.
const (
	exitPassed     exitCode = 0
	exitFailure    exitCode = 1 // an error, also a run that never started
	exitUsage      exitCode = 2 // a flag, an argument or a plan is wrong
	exitIncomplete exitCode = 3
	exitFailed     exitCode = 99 // the run went through and did not pass
	exitCancelled  exitCode = 130
)

// exitError ends the command with a code; err, if there is one, is printed.
type exitError struct {
	code exitCode
	err  error
}

// Error is the text of the error.
func (e *exitError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

// Unwrap is the error.
func (e *exitError) Unwrap() error { return e.err }

func failure(err error) error { return &exitError{exitFailure, err} }

func usage(err error) error { return &exitError{exitUsage, err} }

// verdictCode is the exit code of a run.
func verdictCode(r *run.Run) exitCode {
	switch {
	case r.Verdict == run.Cancelled:
		return exitCancelled
	case r.Verdict == run.Incomplete:
		return exitIncomplete
	case r.Verdict == run.Passed:
		return exitPassed
	case r.Started.IsZero():
		return exitFailure
	default:
		return exitFailed
	}
}
