package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/target"
)

// A client certificate opens the target, to a run and to a call, and its key is nowhere in what is written; nor is it when the
// target refuses the certificate.
func TestIdentity(t *testing.T) {
	t.Parallel()
	certificates, cert, key := identityFiles(t)
	ca := tempFile(t, string(certificates.CAPEM))
	_, strangerCert, strangerKey := identityFiles(t)
	o, err := target.StartOracle(target.OracleConfig{TLS: certificates.ServeVerified()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	for _, tt := range []struct {
		name string
		args []string
		code exitCode
		want string
	}{
		{"run", []string{"run", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"run, JSON", []string{"run", "-n", "5", "-o", "json", "--cert", cert, "--key", key}, exitPassed, `"certPem": "-----BEGIN CERTIFICATE`},
		{"call", []string{"call", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"call with the other engine", []string{"call", "--engine", "std", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"refused", []string{"run", "-n", "5", "-o", "json", "--cert", strangerCert, "--key", strangerKey}, exitFailed, `"TLS_ALERT"`},
		{"refused call", []string{"call", "-n", "5", "--cert", strangerCert, "--key", strangerKey}, exitFailed, "5 errors (TLS_ALERT 5)"},
		{"without", []string{"call", "-n", "5"}, exitFailed, "5 errors (TLS_ALERT 5)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, append(tt.args, "--cacert", ca, o.URL()+"/ok")...)
			if got.code != tt.code || !strings.Contains(got.out, tt.want) {
				t.Errorf("fanout %q = exit %d, %q, %q, want %d and %q", tt.args, got.code, got.out, got.err, tt.code, tt.want)
			}
			for _, file := range []string{key, strangerKey} {
				wantNoKey(t, got.out+got.err, file)
			}
		})
	}
}

// wantNoKey checks that no line of a key's file is in what was written.
func wantNoKey(t *testing.T, written, file string) {
	t.Helper()
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); line != "" && strings.Contains(written, line) {
			t.Errorf("a line of the key is in %q", written)
		}
	}
}

// Without outcomes one by one a call prints its counts, and a run reports as ever, without a word on what it was asked for.
func TestTallyOnly(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	for _, tt := range []struct {
		name  string
		args  []string
		want  string
		lines int // 0: any
	}{
		{"call", []string{"call", "-n", "5", "--detail", "tally-only"}, "5 of 5 responses", 1},
		{"call, JSON", []string{"call", "-n", "5", "-o", "json", "--detail", "tally-only"}, `"foldedCount":5`, 1},
		{"call as ever", []string{"call", "-n", "5", "--detail", "every", "--slow-stream", "fold"}, "5 of 5 responses", 6},
		{"run", []string{"run", "-n", "5", "--detail", "tally-only"}, "5 of 5 responses", 0},
		{"run, JSON", []string{"run", "-n", "5", "-o", "json", "--detail", "tally-only"}, `"foldedCount": 5`, 0},
		{"a run's default", []string{"run", "-n", "5", "-o", "json"}, `"slowStream": "FOLD"`, 0},
		{"a run that waits", []string{"run", "-n", "5", "-o", "json", "--slow-stream", "wait"}, `"slowStream": "WAIT"`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, append(tt.args, o.URL()+"/ok")...)
			if got.code != exitPassed || !strings.Contains(got.out, tt.want) {
				t.Errorf("fanout %q = exit %d, %q, %q, want 0 and %q", tt.args, got.code, got.out, got.err, tt.want)
			}
			if lines := strings.Count(got.out, "\n"); tt.lines > 0 && lines != tt.lines {
				t.Errorf("fanout %q printed %d lines, want %d: %q", tt.args, lines, tt.lines, got.out)
			}
			if tt.args[0] == "run" && strings.Contains(got.out, "were folded") {
				t.Errorf("fanout %q tells what was asked for: %q", tt.args, got.out)
			}
		})
	}
}
