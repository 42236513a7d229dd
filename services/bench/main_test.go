package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test's binary be a server for its own tests, as the command is one for itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (servers[os.Args[1]] != nil || os.Args[1] == takeShardName) {
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
	unasked := []string{"cpu", "ingest", "arrivals", "memory", "accuracy", "stall", "call", "lease", "grants"}
	tests := []struct {
		name      string
		args      []string
		wantParts []string
		wantErr   string
	}{
		{"nothing", nil, unasked, ""},
		{"all", []string{"-all"}, partNames(), ""},
		{"some, in the order of the parts", []string{"-only", "stall,cpu"}, []string{"cpu", "stall"}, ""},
		{"one that takes minutes", []string{"-only", "long"}, []string{"long"}, ""},
		{"an unknown part", []string{"-only", "cpu,gpu"}, nil, `"gpu" is no part`},
		{"no rounds", []string{"-rounds", "0"}, nil, "-rounds 0"},
		{"negative seconds", []string{"-seconds", "-1"}, nil, "-seconds -1"},
		{"no requests", []string{"-requests", "0"}, nil, "-requests 0"},
		{"no workers", []string{"-workers", "1,0"}, nil, `-workers: "0"`},
		{"a number of workers that is none", []string{"-workers", ""}, nil, `-workers: ""`},
		{"a higher rate that is not", []string{"-rate", "10000"}, nil, "-rate 10000"},
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

// A server says where it listens, serves, and tells its log when its standard input closes.
func TestServeSlow(t *testing.T) {
	t.Parallel()
	p, err := testLab(t).startSlow(t.Context(), anyCPU, slowness{least: 20 * time.Millisecond, most: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.abandon()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range 3 {
		ask(t, transport, p.url())
	}
	if _, err := p.cpu(); err != nil {
		t.Error(err)
	}
	if now, peak, err := p.resident(); err != nil || now == 0 || peak < now {
		t.Errorf("resident() = %d, %d, %v, want what is there and a peak that is not less", now, peak, err)
	}
	log, err := p.slowLog()
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Requests) != 3 || log.MostOpen != 1 {
		t.Fatalf("the log has %d requests and %d connections, want 3 over 1", len(log.Requests), log.MostOpen)
	}
	for _, r := range log.Requests {
		if r.Took < 20*time.Millisecond || time.Since(r.At) > time.Minute {
			t.Errorf("a request at %v took %v, want now and at least 20 ms", r.At, r.Took)
		}
	}
}

func TestServeBodies(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		l := testLab(t)
		target, err := l.startBodies(t.Context(), secure, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer target.abandon()
		if secure != strings.HasPrefix(target.url, "https://") || secure != strings.Contains(target.caPEM, "CERTIFICATE") {
			t.Errorf("with TLS %v the target is %s with authority %q", secure, target.url, target.caPEM)
		}
		if !secure {
			transport := &http.Transport{}
			if body := ask(t, transport, target.url); body != string(answerBody) {
				t.Errorf("the answer is %q, want the body of all answers", body)
			}
			transport.CloseIdleConnections()
		}
		if _, err := target.stop(); err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, transport http.RoundTripper, url string) string {
	t.Helper()
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The end of its context ends a process at once.
func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := testLab(t).startSlow(ctx, anyCPU, slowness{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.done
	if _, err := p.cpu(); err == nil {
		t.Error("cpu() of a process that was killed gives no error")
	}
}
