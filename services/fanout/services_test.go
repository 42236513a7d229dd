package main

import (
	"encoding/json"
	"strings"
	"testing"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
)

// A run over services on the network is the run of this process alone.
func TestRunOverServices(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	a, b := start(t, "worker"), start(t, "worker")
	workers := a.address + "," + b.address
	c := start(t, "coordinator", "--workers", workers)
	for _, flags := range [][]string{{"--workers", workers}, {"--coordinator", c.address}} {
		got := command(t, append([]string{"run", "-n", "40", "-c", "4", "-o", "json", o.URL() + "/ok"}, flags...)...)
		var r struct {
			Verdict string
			Workers []struct{ Counts struct{ Responses int } }
		}
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitPassed {
			t.Fatalf("fanout run %q = exit %d, %v, %q, want 0 and JSON", flags, got.code, err, got.err)
		}
		if len(r.Workers) != 2 || r.Workers[0].Counts.Responses != 20 || r.Workers[1].Counts.Responses != 20 {
			t.Errorf("fanout run %q = %+v, want 20 responses of each worker", flags, r)
		}
	}
	if got := command(t, "call", "--worker", a.address, "-n", "3", o.URL()+"/ok"); got.code != exitPassed {
		t.Errorf("fanout call --worker = exit %d, %q, want 0", got.code, got.err)
	}
	if n := o.Ledger().Total(); n != 40+40+3 {
		t.Errorf("the target saw %d requests, want 83", n)
	}
}

// A service that nobody serves is an error with its address, and not a run that failed.
func TestServicesThatAreDown(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	down := strings.TrimSuffix(strings.TrimPrefix(closedPort(t), "http://"), "/ok")
	for _, args := range [][]string{{"run", "--workers", down}, {"run", "--coordinator", down}, {"call", "--worker", down}} {
		t.Run(args[0]+" "+args[1], func(t *testing.T) {
			t.Parallel()
			if args[1] == "--coordinator" && testing.Short() {
				t.Skip("takes 10 s, in which the coordinator may be started again")
			}
			got := command(t, append(args, o.URL()+"/ok")...)
			if got.code != exitFailure || !strings.Contains(got.out+got.err, down) {
				t.Errorf("fanout %q = exit %d, %q, %q, want 1 and the address", args, got.code, got.out, got.err)
			}
		})
	}
	t.Cleanup(func() {
		if n := o.Ledger().Total(); n != 0 {
			t.Errorf("the target saw %d requests, want none", n)
		}
	})
}

// A port that is taken is an error; an address that cannot be read is wrong usage.
func TestListen(t *testing.T) {
	t.Parallel()
	taken := start(t, "target", "--quiet").address
	for _, tt := range []struct {
		name, listen string
		code         exitCode
	}{
		{"taken", taken, exitFailure},
		{"no port", "127.0.0.1", exitUsage},
		{"no number", "127.0.0.1:http99", exitUsage},
	} {
		for _, args := range [][]string{{"worker"}, {"target"}, {"coordinator", "--workers", "a:1", "--store", "memory"}} {
			got := command(t, append(args, "--listen", tt.listen)...)
			if got.code != tt.code || !strings.Contains(got.err, tt.listen) || got.out != "" {
				t.Errorf("fanout %q --listen %s = exit %d, %q, want %d and the address", args, tt.listen, got.code, got.err, tt.code)
			}
		}
	}
}

// A worker that ends in the middle of a run runs out what it was granted, and nothing is missing.
func TestWorkerEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds")
	}
	t.Parallel()
	o := startOracle(t)
	a, b := start(t, "worker"), start(t, "worker")
	end := begin(t.Context(), t, "run", "--workers", a.address+","+b.address, "-q", "50", "-z", "2", o.URL()+"/ok")
	eventually(t, "the target sees requests", func() bool { return o.Ledger().Total() > 10 })
	a.stop()
	if got := end(); got.code != exitPassed || !strings.Contains(got.out, "100 of 100 responses") {
		t.Errorf("fanout run = exit %d, %q, %q, want 0 and every response", got.code, got.out, got.err)
	}
}

// A run that somebody else cancels ends as one that Ctrl-C has cancelled.
func TestCancelledByAnother(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	c := start(t, "coordinator", "--workers", start(t, "worker").address)
	conn, err := grpcdial.New(c.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := fanoutv1.NewCoordinatorServiceClient(conn)
	end := begin(t.Context(), t, "run", "--coordinator", c.address, "-q", "100", "-z", "1h", o.URL()+"/ok")
	eventually(t, "the target sees requests", func() bool { return o.Ledger().Total() > 10 })
	all, err := client.ListRuns(t.Context(), &fanoutv1.ListRunsRequest{})
	if err != nil || len(all.GetRuns()) != 1 {
		t.Fatalf("ListRuns() = %v, %v, want the one run", all.GetRuns(), err)
	}
	if _, err := client.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: all.GetRuns()[0].GetId()}); err != nil {
		t.Fatalf("CancelRun() = %v, want no error", err)
	}
	if got := end(); got.code != exitCancelled || !strings.Contains(got.out, "CANCELLED") {
		t.Errorf("fanout run = exit %d, %q, %q, want 130 and CANCELLED", got.code, got.out, got.err)
	}
}
