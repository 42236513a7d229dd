package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// Each subcommand says what it found, and exits as the run did or as the checks hold.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		code exitCode
		out  []string // in standard output; nothing: it is empty
		err  []string // in standard error; nothing: it is empty
	}{
		{"list", []string{"list"}, exitPassed, []string{"Run", "r-4  nightly  2026-03-14 09:00:04  PASSED          1,010", "INCOMPLETE      1,000       3        7    2.00 s"}, nil},
		{"show one that passed", []string{"show", "r-2"}, exitPassed, []string{"PASSED  1,010 of 1,010 responses in 2.00 s", "Run r-2, nightly"}, nil},
		{"show one that is incomplete", []string{"show", "r-1"}, exitPassed, []string{"INCOMPLETE  1,000 of 1,010"}, nil},
		{"show one that goes on", []string{"show", "r-9"}, exitPassed, []string{"RUNNING  1,010 of 1,010"}, nil},
		{"show, JSON", []string{"show", "-o", "json", "r-2"}, exitPassed, []string{`"id": "r-2"`, `"serviceTime"`}, nil},
		{"watch one that passed", []string{"watch", "r-2"}, exitPassed, []string{"PASSED"}, nil},
		{"watch one that is incomplete", []string{"watch", "r-1", "-o", "json"}, exitIncomplete, []string{`"verdict": "INCOMPLETE"`}, nil},
		{"cancel", []string{"cancel", "r-9"}, exitPassed, []string{"CANCELLED  1,010 of 1,010"}, nil},
		{"cancel one that has ended", []string{"cancel", "-o", "json", "r-2"}, exitPassed, []string{`"verdict": "PASSED"`}, nil},
		{"delete", []string{"delete", "r-2"}, exitPassed, nil, nil},
		{"delete one that goes on", []string{"delete", "r-9"}, exitFailure, nil, []string{"run r-9 has not ended; cancel it first"}},
		{"verify", []string{"verify", "r-2"}, exitPassed, []string{"ok  closure  1010 = 1010", "2 checks of run r-2 hold."}, nil},
		{"verify what does not hold", []string{"verify", "r-1"}, exitIncomplete, []string{"FAILED  seconds  1000 of 1010"}, nil},
		{"verify nothing", []string{"verify", "r-4"}, exitFailure, nil, []string{`nothing of run "r-4" was checked`}},
		{"verify, JSON", []string{"verify", "-o", "json", "r-1"}, exitIncomplete, []string{`"ok": false`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &archive{runs: 4, page: 2}
			address := startArchive(t, a)
			got := command(t, append([]string{"runs", tt.args[0], "--coordinator", address}, tt.args[1:]...)...)
			if got.code != tt.code || (got.out == "") != (tt.out == nil) || (got.err == "") != (tt.err == nil) {
				t.Errorf("fanout runs %q = exit %d, %q, %q, want %d", tt.args, got.code, got.out, got.err, tt.code)
			}
			if deletes := tt.args[0] == "delete" && tt.code == exitPassed; deletes != (len(a.deleted) > 0) {
				t.Errorf("fanout runs %q deleted %q", tt.args, a.deleted)
			}
			for _, want := range tt.out {
				if !strings.Contains(got.out, want) {
					t.Errorf("fanout runs %q printed\n%s\nwant %q in it", tt.args, got.out, want)
				}
			}
			for _, want := range tt.err {
				if !strings.Contains(got.err, want) || strings.Count(got.err, "\n") != 1 {
					t.Errorf("fanout runs %q said %q, want one line with %q", tt.args, got.err, want)
				}
			}
		})
	}
}

// A list goes through as many pages as it takes, and no further.
func TestRunsListPages(t *testing.T) {
	t.Parallel()
	address := startArchive(t, &archive{runs: 60, page: 7})
	for _, tt := range []struct {
		flags []string
		want  int
	}{
		{nil, 50}, {[]string{"--limit", "1"}, 1}, {[]string{"--limit", "14"}, 14}, {[]string{"--limit", "5000"}, 60},
	} {
		got := command(t, append([]string{"runs", "list", "-o", "json", "--coordinator", address}, tt.flags...)...)
		var list struct {
			Runs []struct {
				ID     string
				Counts struct{ Planned int }
			}
		}
		if err := json.Unmarshal([]byte(got.out), &list); err != nil || got.code != exitPassed || len(list.Runs) != tt.want {
			t.Fatalf("fanout runs list %q = exit %d, %v, %d runs, %q, want %d runs", tt.flags, got.code, err, len(list.Runs), got.err, tt.want)
		}
		for i, r := range list.Runs {
			if r.ID != fmt.Sprintf("r-%d", 60-i) || r.Counts.Planned != 1010 {
				t.Errorf("fanout runs list %q: run %d is %+v, want r-%d with its counts", tt.flags, i, r, 60-i)
			}
		}
	}
	none := startArchive(t, &archive{page: 7})
	if got := command(t, "runs", "list", "--coordinator", none); got.code != exitPassed || got.out != "No runs.\n" {
		t.Errorf("fanout runs list of none = exit %d, %q, want 0 and a sentence", got.code, got.out)
	}
	if got := command(t, "runs", "list", "-o", "json", "--coordinator", none); got.code != exitPassed || got.out != "{\n  \"runs\": []\n}\n" {
		t.Errorf("fanout runs list -o json of none = exit %d, %q, want 0 and an empty list", got.code, got.out)
	}
}

// Ctrl-C ends a watch, and not the run.
func TestRunsWatchInterrupted(t *testing.T) {
	t.Parallel()
	a := &archive{page: 2}
	address := startArchive(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := begin(ctx, t, "runs", "watch", "--coordinator", address, "r-9")
	eventually(t, "somebody watches", a.isWatched)
	cancel()
	want := "fanout: the run goes on; fanout runs cancel --coordinator " + address + " r-9 ends it\n"
	if got := end(); got.code != exitCancelled || got.out != "" || got.err != want {
		t.Errorf("fanout runs watch = exit %d, %q, %q, want 130 and %q", got.code, got.out, got.err, want)
	}
	if a.run(9).GetState() != fanoutv1.State_STATE_RUNNING {
		t.Error("the run was cancelled")
	}
}

// Each run is asked for with an id of its own, so that asking again cannot make two of it, and with what its flags say.
func TestRunIsAskedForOnce(t *testing.T) {
	t.Parallel()
	a := &archive{runs: 2, page: 2}
	address := startArchive(t, a)
	for _, flags := range [][]string{nil, {"--on-worker-loss", "continue"}, {"--on-worker-loss", "fail"}} {
		if got := command(t, append([]string{"run", "--coordinator", address, "http://a.test/"}, flags...)...); got.code != exitPassed {
			t.Fatalf("fanout run %q = exit %d, %q, want 0", flags, got.code, got.err)
		}
	}
	ids := map[string]bool{}
	var losses []fanoutv1.OnWorkerLoss
	for _, r := range a.created {
		ids[r.GetRequestId()] = true
		losses = append(losses, r.GetOnWorkerLoss())
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("the request_ids are %v, want three", ids)
	}
	if want := []fanoutv1.OnWorkerLoss{0, fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_CONTINUE, fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_FAIL}; !slices.Equal(losses, want) {
		t.Errorf("on_worker_loss is %v, want %v", losses, want)
	}
}

// A watch follows a run, and ends when the run does.
func TestRunsWatchFollows(t *testing.T) {
	t.Parallel()
	a := &archive{page: 2}
	address := startArchive(t, a)
	end := begin(t.Context(), t, "runs", "watch", "--coordinator", address, "r-9")
	eventually(t, "somebody watches", a.isWatched)
	if got := command(t, "runs", "cancel", "--coordinator", address, "r-9"); got.code != exitPassed {
		t.Errorf("fanout runs cancel = exit %d, %q, want 0", got.code, got.err)
	}
	if got := end(); got.code != exitCancelled || !strings.Contains(got.out, "CANCELLED") {
		t.Errorf("fanout runs watch = exit %d, %q, %q, want 130 and CANCELLED", got.code, got.out, got.err)
	}
}

// A run that is not known, and a coordinator that is down, are an error at once, and one sentence that says what to do.
func TestRunsThatAreNotThere(t *testing.T) {
	t.Parallel()
	address := startArchive(t, &archive{runs: 4, page: 2})
	down := strings.TrimSuffix(strings.TrimPrefix(closedPort(t), "http://"), "/ok")
	for _, name := range []string{"list", "show", "watch", "cancel", "delete", "verify"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"runs", name}
			if name != "list" {
				args = append(args, "r-77")
				got := command(t, append(args, "--coordinator", address)...)
				want := `fanout: "r-77" is no run of the coordinator ` + address + "; fanout runs list --coordinator " + address + " shows those that it has\n"
				if got.code != exitFailure || got.out != "" || got.err != want {
					t.Errorf("fanout %q = exit %d, %q, %q, want 1 and %q", args, got.code, got.out, got.err, want)
				}
			}
			begun := time.Now()
			got := command(t, append(args, "--coordinator", down)...)
			if got.code != exitFailure || got.out != "" || strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, down+" cannot be reached") {
				t.Errorf("fanout %q = exit %d, %q, %q, want 1 and a sentence with the address", args, got.code, got.out, got.err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("fanout %q took %v, want it at once", args, took)
			}
		})
	}
}
