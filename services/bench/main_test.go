package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test's binary be a server for its own tests, as the command is one for itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && servers[os.Args[1]] != nil {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// testLab is a lab whose servers are this binary.
func testLab(t *testing.T) *lab {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &lab{bench: &bench{options: &options{rounds: 1}, log: io.Discard, dir: t.TempDir(), self: self, fanout: "/somewhere/fanout"}}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	unasked := []string{"cpu", "ingest", "arrivals", "memory", "accuracy", "stall"}
	tests := []struct {
		name      string
		args      []string
		wantParts []string
		wantErr   string
	}{
		{"nothing", nil, unasked, ""},
		{"all", []string{"-all"}, partNames(), ""},
		{"some", []string{"-only", "cpu"}, []string{"cpu"}, ""},
		{"an unknown part", []string{"-only", "cpu,gpu"}, nil, `"gpu" is no part`},
		{"no rounds", []string{"-rounds", "0"}, nil, "-rounds 0"},
		{"negative seconds", []string{"-seconds", "-1"}, nil, "-seconds -1"},
		{"no requests", []string{"-requests", "0"}, nil, "-requests 0"},
		{"an argument", []string{"cpu"}, nil, `"cpu" is no flag`},
		{"an unknown flag", []string{"-x"}, nil, "not defined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, err := parseOptions(tt.args, io.Discard)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("parseOptions(%q) = %v, want an error with %q", tt.args, err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatalf("parseOptions(%q) = %v", tt.args, err)
			}
			if got := pick(o.parts, func(p part) string { return p.name }); !slices.Equal(got, tt.wantParts) {
				t.Errorf("parseOptions(%q) has parts %q, want %q", tt.args, got, tt.wantParts)
			}
		})
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-only", "gpu"}, strings.NewReader(""), &stdout, &stderr); code != exitUsage || stdout.Len() != 0 {
		t.Errorf("run = %d, %q, want %d and nothing on standard output", code, &stdout, exitUsage)
	}
}
