package coordinator_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
)

// wantFailure checks why a worker did not finish its shard.
func wantFailure(t *testing.T, w *fanoutv1.WorkerResult, class fanoutv1.WorkerFailureClass, text string) {
	t.Helper()
	if got := w.GetFailure(); got.GetClass() != class || !strings.Contains(got.GetMessage(), text) {
		t.Errorf("failure of %s = %v, %q, want %v with %q", w.GetAddress(), got.GetClass(), got.GetMessage(), class, text)
	}
}

// A run whose workers do not all admit their shard sends nothing.
func TestRunThatDoesNotStart(t *testing.T) {
	t.Parallel()
	const (
		refused     = fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_REFUSED
		unreachable = fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_UNREACHABLE
	)
	for _, tt := range []struct {
		name    string
		worker  fanoutv1.WorkerServiceServer
		class   fanoutv1.WorkerFailureClass
		message string
	}{
		{"refused", refusingWorker{}, refused, "no room for this shard"},
		{"silent", silentWorker{}, refused, "did not admit its shard within"},
		{
			"of another protocol",
			otherWorker{},
			refused,
			`is of version "v9.8.7" and speaks protocol 2, and this coordinator is of version "dev" and speaks protocol 1`,
		},
		{"dead", dead, unreachable, "nobody listens here"},
		{"mute", muteWorker{}, unreachable, "cannot be reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			s := start(t, newWorker(t), tt.worker, newWorker(t))
			r := s.carryOut(t, closedLoop(o.URL()+"/ok", 300, 30))
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_FAILED, address(1))
			if !strings.Contains(r.GetVerdictReason(), tt.message) {
				t.Errorf("verdict_reason = %q, want %q in it", r.GetVerdictReason(), tt.message)
			}
			if r.GetStartTime() != nil {
				t.Errorf("start_time = %v, want none", r.GetStartTime().AsTime())
			}
			if got, want := counts(r), "planned 300 = pending 0 + in flight 0 + responses 0 + errors 0 + not sent 300 + unknown 0"; got != want {
				t.Errorf("counts = %s, want %s", got, want)
			}
			if len(r.GetWorkers()) != 3 {
				t.Fatalf("workers = %d, want 3", len(r.GetWorkers()))
			}
			wantFailure(t, r.GetWorkers()[1], tt.class, tt.message)
			for _, i := range []int{0, 2} {
				if f := r.GetWorkers()[i].GetFailure(); f != nil {
					t.Errorf("failure of %s = %v, want none", address(i), f)
				}
			}
			wantSeen(t, o, 0)
		})
	}
}

// A worker that takes its time to admit its shard holds the start up, and that is all.
func TestSlowWorker(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	r := start(t, newWorker(t), &slowWorker{newWorker(t)}).carryOut(t, closedLoop(o.URL()+"/ok", 200, 10))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	for _, w := range r.GetWorkers() {
		if w.GetFailure() != nil || w.GetTally().GetCounts().GetResponses() != 100 {
			t.Errorf("worker %s = %s, failure %v, want 100 responses", w.GetAddress(), counts(w), w.GetFailure())
		}
	}
	wantSeen(t, o, 200)
}

// A worker whose stream ends before its time, and that does not hold its lease any more, is lost: what it did not report is unknown;
// the other worker carries out its part.
func TestBrokenWorker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		rows int64
		err  error
	}{
		{"ends with an error", 3, status.Error(codes.Internal, "the disk is full")},
		{"ends without finished", 3, nil},
		{"has nothing", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			r := start(t, acting(tt.err, func(a *actor) { a.rows(tt.rows) }), newWorker(t)).carryOut(t, closedLoop(o.URL()+"/delay/5ms", 100, 10))
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_INCOMPLETE, address(0))
			if r.GetStartTime() == nil {
				t.Error("start_time = none, want one")
			}
			if len(r.GetWorkers()) != 2 {
				t.Fatalf("workers = %d, want 2", len(r.GetWorkers()))
			}
			broken, whole := r.GetWorkers()[0], r.GetWorkers()[1]
			wantFailure(t, broken, fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_LOST, "the lease is not held")
			if c := broken.GetTally().GetCounts(); c.GetUnknown() != 50-tt.rows || c.GetResponses() != tt.rows {
				t.Errorf("broken worker = %s, want %d responses and the rest unknown", counts(broken), tt.rows)
			}
			if c := whole.GetTally().GetCounts(); c.GetResponses() != 50 || whole.GetFailure() != nil {
				t.Errorf("other worker = %s, failure %v, want 50 responses", counts(whole), whole.GetFailure())
			}
			if c := r.GetTally().GetCounts(); c.GetPlanned() != 100 || c.GetUnknown() != 50-tt.rows {
				t.Errorf("run = %s, want 100 planned, %d unknown", counts(r), 50-tt.rows)
			}
			wantSeen(t, o, 50)
		})
	}
}

// Whatever does not add up makes the run incomplete, and every slot stays in exactly one place.
func TestLyingWorker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		lie     func(*actor)
		unknown int64
	}{
		{"the tally has a response less than the outcomes", func(a *actor) {
			a.rows(a.planned() - 1)
			before := a.sum.Clone()
			a.rows(1)
			a.sum = *before
			a.finished()
		}, 1},
		{"the tally has a response more than the outcomes", func(a *actor) {
			a.rows(a.planned() - 1)
			sent := a.stream
			a.stream = discard{sent}
			a.rows(1)
			a.stream = sent
			a.sequence--
			a.finished()
		}, 0},
		{"a message is missing", func(a *actor) {
			a.rows(10)
			a.sequence++
			a.rows(a.planned() - 10)
			a.finished()
		}, 0},
		{"slots are left out", func(a *actor) {
			a.rows(a.planned() - 5)
			a.finished()
		}, 5},
		{"a message comes after the last", func(a *actor) {
			a.rows(a.planned())
			a.finished()
			a.rows(1)
		}, 0},
		{"more outcomes than slots", func(a *actor) {
			a.rows(a.planned() + 1)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			r := start(t, newWorker(t), acting(nil, tt.lie)).carryOut(t, closedLoop(o.URL()+"/ok", 100, 10))
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_INCOMPLETE, address(1))
			if len(r.GetWorkers()) != 2 {
				t.Fatalf("workers = %d, want 2", len(r.GetWorkers()))
			}
			honest, lying := r.GetWorkers()[0], r.GetWorkers()[1]
			if c := honest.GetTally().GetCounts(); c.GetResponses() != 50 || honest.GetFailure() != nil {
				t.Errorf("honest worker = %s, failure %v, want 50 responses", counts(honest), honest.GetFailure())
			}
			wantFailure(t, lying, fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_INCONSISTENT, "")
			if c := lying.GetTally().GetCounts(); c.GetUnknown() != tt.unknown {
				t.Errorf("lying worker = %s, want %d unknown", counts(lying), tt.unknown)
			}
			wantSeen(t, o, 50)
		})
	}
}

// discard is a stream that sends nothing.
type discard struct{ stream }

func (discard) Send(*fanoutv1.FanOutResponse) error { return nil }

func TestNoResponse(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	url := o.URL()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t, newWorkers(t, 2)...).carryOut(t, closedLoop(url+"/ok", 20, 4))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_FAILED, "no response")
	if c := r.GetTally().GetCounts(); c.GetErrors() != 20 || r.GetStartTime() == nil {
		t.Errorf("run = %s, start_time %v, want 20 errors and a start", counts(r), r.GetStartTime())
	}
	if e := r.GetTally().GetErrors(); len(e) != 1 || e[0].GetClass() != fanoutv1.ErrorClass_ERROR_CLASS_DIAL_REFUSED || e[0].GetCount() != 20 {
		t.Errorf("errors = %v, want 20 of DIAL_REFUSED", e)
	}
}

// cancel cancels a run, and is the run at its end.
func (s *service) cancel(t *testing.T, id string) *fanoutv1.Run {
	t.Helper()
	cancelled := time.Now()
	response, err := s.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: id})
	if err != nil {
		t.Fatalf("CancelRun = %v, want the run", err)
	}
	if state := response.GetRun().GetState(); state != fanoutv1.State_STATE_STOPPING && state != fanoutv1.State_STATE_ENDED {
		t.Errorf("CancelRun = a run in %v, want STOPPING or ENDED", state)
	}
	all := s.watch(t, id, fanoutv1.RunView_RUN_VIEW_FULL)
	if took := time.Since(cancelled); took > 4*time.Second {
		t.Errorf("the run ended %v after CancelRun, want less than 4 s", took)
	}
	return all[len(all)-1]
}

func TestCancelRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		plan    func(url string) *fanoutv1.Plan
		path    string
		planned int64 // 0: those that were started
	}{
		{"closed loop with requests", func(url string) *fanoutv1.Plan { return closedLoop(url, 50_000, 10) }, "/delay/20ms", 50_000},
		{"closed loop without end", func(url string) *fanoutv1.Plan { return closedLoop(url, 0, 10) }, "/delay/20ms", 0},
		{"open loop", func(url string) *fanoutv1.Plan { return openLoop(url, 200, time.Minute) }, "/ok", 12_000},
		{"a target that stalls", func(url string) *fanoutv1.Plan { return closedLoop(url, 1000, 20) }, "/stall", 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			s := start(t, newWorkers(t, 2)...)
			created := s.create(t, tt.plan(o.URL()+tt.path))
			eventually(t, "the target sees requests of the run", func() bool { return o.Ledger().Total() >= 15 })
			r := s.cancel(t, created.GetId())
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_CANCELLED, "cancelled")
			c := r.GetTally().GetCounts()
			if c.GetUnknown() != 0 || tt.planned != 0 && c.GetPlanned() != tt.planned {
				t.Errorf("counts = %s, want %d planned, none unknown", counts(r), tt.planned)
			}
			if tt.planned != 0 && c.GetNotSent() == 0 {
				t.Errorf("counts = %s, want slots that were not sent", counts(r))
			}
			wantSeen(t, o, c.GetResponses()+c.GetErrors())
			seen := o.Ledger().Total()
			again := s.cancel(t, created.GetId())
			wantVerdict(t, again, fanoutv1.Verdict_VERDICT_CANCELLED, "cancelled")
			if counts(again) != counts(r) || o.Ledger().Total() != seen {
				t.Errorf("counts after a second CancelRun = %s, want %s", counts(again), counts(r))
			}
		})
	}
}

// A worker that does not hear the stop is given up after a while: what it had is unknown.
func TestCancelRunOfADeafWorker(t *testing.T) {
	t.Parallel()
	deaf := acting(nil, func(a *actor) {
		a.rows(1)
		<-a.stream.Context().Done()
	})
	deaf.deaf = true
	s := startWith(t, coordinator.Config{Lease: 2 * time.Second}, deaf)
	created := s.create(t, closedLoop("http://127.0.0.1:9/", 10, 1))
	eventually(t, "the run has a response", func() bool {
		r, err := s.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: created.GetId()})
		return err == nil && r.GetRun().GetTally().GetCounts().GetResponses() == 1
	})
	r := s.cancel(t, created.GetId())
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_CANCELLED, "9 slots")
	if c := r.GetTally().GetCounts(); c.GetResponses() != 1 || c.GetUnknown() != 9 {
		t.Errorf("counts = %s, want 1 response, 9 unknown", counts(r))
	}
}

func TestCancelRunBeforeItsStart(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorker(t), silentWorker{})
	created := s.create(t, closedLoop(o.URL()+"/ok", 100, 10))
	r := s.cancel(t, created.GetId())
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_CANCELLED, "before its start")
	if c := r.GetTally().GetCounts(); c.GetNotSent() != 100 || r.GetStartTime() != nil {
		t.Errorf("run = %s, start_time %v, want 100 not sent and no start", counts(r), r.GetStartTime())
	}
	if n := r.GetTally().GetNotSent(); len(n) != 1 || n[0].GetReason() != fanoutv1.NotSentReason_NOT_SENT_REASON_CANCELLED {
		t.Errorf("not_sent = %v, want CANCELLED alone", n)
	}
	wantSeen(t, o, 0)
}

// A coordinator that closes cancels its runs, tells their watchers, and takes no more.
func TestClose(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorker(t))
	created := s.create(t, closedLoop(o.URL()+"/delay/10ms", 0, 5))
	eventually(t, "the target sees requests of the run", func() bool { return o.Ledger().Total() > 0 })
	s.coordinator.Close()
	all := s.watch(t, created.GetId(), fanoutv1.RunView_RUN_VIEW_BASIC)
	wantVerdict(t, all[len(all)-1], fanoutv1.Verdict_VERDICT_CANCELLED, "cancelled")
	_, err := s.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: closedLoop(o.URL()+"/ok", 1, 1)})
	wantError(t, "CreateRun after Close", err, codes.Unavailable, "SHUTTING_DOWN")
}
