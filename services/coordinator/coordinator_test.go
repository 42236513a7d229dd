package coordinator_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// newRecordingWorkers is n real workers, as what they are and as what a coordinator takes.
func newRecordingWorkers(t *testing.T, n int) ([]*recordingWorker, []fanoutv1.WorkerServiceServer) {
	t.Helper()
	recording := make([]*recordingWorker, n)
	servers := make([]fanoutv1.WorkerServiceServer, n)
	for i := range recording {
		recording[i] = &recordingWorker{Worker: newWorker(t)}
		servers[i] = recording[i]
	}
	return recording, servers
}

// The run is what its workers did, no more and no less, whatever the shape of the load.
func TestRunIsExact(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		workers int
		plan    func(url string) *fanoutv1.Plan
		want    int64   // responses
		shards  []int64 // responses of each
	}{
		{"closed loop", 3, func(url string) *fanoutv1.Plan { return closedLoop(url, 1000, 10) }, 1000, []int64{400, 300, 300}},
		{"open loop", 3, func(url string) *fanoutv1.Plan { return openLoop(url, 400, 500*time.Millisecond) }, 200, []int64{67, 67, 66}},
		{"all at once", 3, func(url string) *fanoutv1.Plan {
			p := closedLoop(url, 50, 1)
			p.Load.Shape = nil
			return p
		}, 50, []int64{17, 17, 16}},
		{"fewer senders than workers", 3, func(url string) *fanoutv1.Plan { return closedLoop(url, 20, 2) }, 20, []int64{10, 10}},
		{"fewer slots than workers", 3, func(url string) *fanoutv1.Plan { return closedLoop(url, 1, 9) }, 1, []int64{1}},
		{"one worker", 1, func(url string) *fanoutv1.Plan { return closedLoop(url, 100, 5) }, 100, []int64{100}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			recording, servers := newRecordingWorkers(t, tt.workers)
			s := start(t, servers...)
			r := s.carryOut(t, tt.plan(o.URL()+"/ok"))
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
			if c := r.GetTally().GetCounts(); c.GetPlanned() != tt.want || c.GetResponses() != tt.want {
				t.Errorf("run = %s, want %d planned and as many responses", counts(r), tt.want)
			}
			var shards []int64
			for _, w := range r.GetWorkers() {
				shards = append(shards, w.GetTally().GetCounts().GetResponses())
				if w.GetFailure() != nil || w.GetInstanceId() == "" {
					t.Errorf("worker %s = instance %q, failure %v, want one that finished", w.GetAddress(), w.GetInstanceId(), w.GetFailure())
				}
			}
			if !slices.Equal(shards, tt.shards) {
				t.Errorf("responses by worker = %v, want %v", shards, tt.shards)
			}
			wantSeen(t, o, tt.want)
			wantSum(t, r.GetTally(), recording)
		})
	}
}

// wantSum checks that a run's tally is the sum of the outcomes that its workers sent, each slot once.
func wantSum(t *testing.T, got *fanoutv1.Tally, workers []*recordingWorker) {
	t.Helper()
	slots := map[int64]bool{}
	byStatus := map[int32]int64{}
	var received, service, response, lateness int64
	for _, w := range workers {
		w.mu.Lock()
		for _, o := range w.outcomes {
			slots[o.GetSlot()] = true
			byStatus[o.GetStatus()]++
			received += o.GetReceivedBytes()
			service += o.GetServiceNanos()
			response += o.GetLatenessNanos() + o.GetServiceNanos()
			lateness += o.GetLatenessNanos()
		}
		w.mu.Unlock()
	}
	n := got.GetCounts().GetResponses()
	if int64(len(slots)) != n {
		t.Errorf("slots in the rows = %d different ones, want %d", len(slots), n)
	}
	if !maps.Equal(got.GetResponsesByStatus(), byStatus) || got.GetReceivedBytes() != received || got.GetRecordsCount() != n {
		t.Errorf("tally = %v, %d bytes of %d rows, want %v, %d of %d", got.GetResponsesByStatus(), got.GetReceivedBytes(), got.GetRecordsCount(), byStatus, received, n)
	}
	for _, l := range []struct {
		name string
		got  *fanoutv1.Latency
		sum  int64
	}{
		{"service_time", got.GetServiceTime(), service},
		{"response_time", got.GetResponseTime(), response},
		{"lateness", got.GetLateness(), lateness},
	} {
		if l.got.GetCount() != n || int64(l.got.GetSum().AsDuration()) != l.sum {
			t.Errorf("%s = %d values with the sum %v, want %d, %v", l.name, l.got.GetCount(), l.got.GetSum().AsDuration(), n, time.Duration(l.sum))
		}
		if l.got.GetMin().AsDuration() > l.got.GetP50().AsDuration() || l.got.GetP99().AsDuration() > l.got.GetMax().AsDuration() {
			t.Errorf("%s = %v, want ascending quantiles", l.name, l.got)
		}
	}
}

// All workers begin at the same moment, by their own clocks, and none before it was told to.
func TestWorkersStartTogether(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	recording, servers := newRecordingWorkers(t, 4)
	s := start(t, servers...)
	created := time.Now()
	r := s.carryOut(t, closedLoop(o.URL()+"/ok", 40, 4))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	var starts []time.Time
	for _, w := range recording {
		starts = append(starts, w.starts[len(w.starts)-1])
	}
	first, last := slices.MinFunc(starts, time.Time.Compare), slices.MaxFunc(starts, time.Time.Compare)
	// A worker's clock is known to within its round trip, which in this process is far below the run's notice of 200 ms.
	if spread := last.Sub(first); spread > 100*time.Millisecond {
		t.Errorf("starts = %v apart, want less than the notice", spread)
	}
	if notice := first.Sub(created); notice < 100*time.Millisecond {
		t.Errorf("the start = %v after CreateRun, want the notice of 200 ms", notice)
	}
	for _, w := range recording {
		for _, o := range w.outcomes {
			if o.GetDueNanos() < 0 || o.GetLatenessNanos() < 0 {
				t.Errorf("slot %d = due at %d ns, late by %d ns, want none before the start", o.GetSlot(), o.GetDueNanos(), o.GetLatenessNanos())
			}
		}
	}
}

// The groups and the seconds are the run, in other parts.
func TestGroupsAndIntervals(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorkers(t, 2)...)
	p := openLoop(o.URL()+"/ok", 100, 2500*time.Millisecond)
	p.Requests[0].Group, p.Requests[0].Weight = "often", 4
	p.Requests = append(p.Requests, &fanoutv1.Request{Url: o.URL() + "/status/404", Group: "seldom"})
	r := s.carryOut(t, p)
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	groups := r.GetTally().GetGroups()
	if often, seldom := groups["often"].GetCounts(), groups["seldom"].GetCounts(); often.GetResponses() != 200 || seldom.GetResponses() != 50 {
		t.Errorf("groups = %v, want 200 often and 50 seldom", groups)
	}
	if n := groups["seldom"].GetResponsesByStatus()[404]; n != 50 {
		t.Errorf("404 of seldom = %d, want 50", n)
	}
	sum := int64(0)
	for i, interval := range s.intervals(t, r.GetId(), 2) {
		c := interval.GetTally().GetCounts()
		sum += c.GetResponses()
		if got := interval.GetStartOffset().AsDuration(); got != time.Duration(i)*time.Second {
			t.Errorf("start_offset of interval %d = %v, want %d s", i, got, i)
		}
		if rate := interval.GetPlannedRatePerSecond(); i < 2 && rate != 100 {
			t.Errorf("planned_rate_per_second of interval %d = %v, want 100", i, rate)
		}
		if l := interval.GetTally().GetServiceTime(); l.GetCount() != c.GetResponses() || len(l.GetBuckets()) > 0 {
			t.Errorf("service_time of interval %d = %d values, %d bytes of buckets, want %d and none", i, l.GetCount(), len(l.GetBuckets()), c.GetResponses())
		}
	}
	if sum != 250 {
		t.Errorf("responses of all intervals = %d, want 250", sum)
	}
}

// A ramp that two workers share is one ramp: each slot is due where the rate's integral reaches it, and the planned rate of a
// second is the slots due in it, also where it begins with 0.
func TestRampOverTwoWorkers(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorkers(t, 2)...)
	p := openLoop(o.URL()+"/ok", 0, 0)
	to := 100.0
	p.Load = &fanoutv1.Load{Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
		Stages: []*fanoutv1.Stage{{EndRatePerSecond: &to, Duration: durationpb.New(2 * time.Second)}},
	}}}
	r := s.carryOut(t, p)
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	if c := r.GetTally().GetCounts(); c.GetPlanned() != 100 || c.GetResponses() != 100 || o.Ledger().Total() != 100 {
		t.Errorf("counts = %v, and the target saw %d, want 100 responses", c, o.Ledger().Total())
	}
	var planned []float64
	for _, interval := range s.intervals(t, r.GetId(), 10) {
		planned = append(planned, interval.GetPlannedRatePerSecond())
	}
	if len(planned) < 2 || planned[0] != 25 || planned[1] != 75 {
		t.Errorf("planned rates = %v, want 25 and 75", planned)
	}
}

// intervals is all intervals of a run, taken by pages of size.
func (s *service) intervals(t *testing.T, id string, size int32) []*fanoutv1.RunInterval {
	t.Helper()
	var all []*fanoutv1.RunInterval
	for token := ""; ; {
		page, err := s.ListRunIntervals(t.Context(), &fanoutv1.ListRunIntervalsRequest{RunId: id, PageSize: size, PageToken: token})
		if err != nil {
			t.Fatalf("ListRunIntervals = %v, want a page", err)
		}
		if len(page.GetIntervals()) > int(size) {
			t.Errorf("ListRunIntervals = %d intervals, want at most %d", len(page.GetIntervals()), size)
		}
		all = append(all, page.GetIntervals()...)
		if token = page.GetNextPageToken(); token == "" {
			return all
		}
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorkers(t, 2)...)
	p := closedLoop(o.URL()+"/ok", 20, 2)
	p.Requests[0].Method, p.Requests[0].Body = "POST", &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: "hello"}}
	full := s.carryOut(t, p)
	response, err := s.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: full.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	basic := response.GetRun()
	if got := full.GetPlan().GetRequests()[0].GetBody().GetText(); got != "[redacted]" || len(full.GetTally().GetServiceTime().GetBuckets()) == 0 {
		t.Errorf("FULL = body %q, %d bytes of buckets, want both", got, len(full.GetTally().GetServiceTime().GetBuckets()))
	}
	if basic.GetPlan().GetRequests()[0].GetBody() != nil || len(basic.GetTally().GetServiceTime().GetBuckets()) != 0 {
		t.Errorf("BASIC = %v, want neither body nor buckets", basic)
	}
	if basic.GetPlan().GetHttp().GetTimeout().AsDuration() != 30*time.Second {
		t.Errorf("timeout = %v, want the default filled in", basic.GetPlan().GetHttp().GetTimeout())
	}
	// But for these two the views are the same.
	full.Plan.Requests[0].Body = nil
	for _, l := range []*fanoutv1.Latency{full.Tally.ServiceTime, full.Tally.ResponseTime, full.Tally.Lateness, full.Tally.FirstByteTime} {
		l.Buckets = nil
	}
	if !proto.Equal(full, basic) {
		t.Errorf("BASIC = %v, want %v", basic, full)
	}
}

// Snapshots come at least every second, and none goes back.
func TestWatchRun(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorkers(t, 2)...)
	begun := time.Now()
	created := s.create(t, openLoop(o.URL()+"/ok", 50, 2*time.Second))
	all := s.watch(t, created.GetId(), fanoutv1.RunView_RUN_VIEW_BASIC)
	if want := int(time.Since(begun) / time.Second); len(all) < want {
		t.Errorf("WatchRun = %d snapshots in %v, want %d or more", len(all), time.Since(begun), want)
	}
	var last *fanoutv1.Run
	for _, r := range all {
		n, before := r.GetTally().GetCounts(), last.GetTally().GetCounts()
		if n.GetResponses() < before.GetResponses() || n.GetErrors() < before.GetErrors() || n.GetNotSent() < before.GetNotSent() || r.GetState() < last.GetState() {
			t.Errorf("snapshot = %v %s, want none that goes back from %v %s", r.GetState(), counts(r), last.GetState(), counts(last))
		}
		last = r
	}
	if n := last.GetTally().GetCounts().GetResponses(); n != 100 {
		t.Errorf("responses = %d, want 100", n)
	}
}

// A watcher that does not read slows nothing.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorker(t))
	p := closedLoop(o.URL()+"/ok", 0, 4)
	p.Load.Duration = durationpb.New(1500 * time.Millisecond)
	created := s.create(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 10 {
		if _, err := s.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: created.GetId(), View: fanoutv1.RunView_RUN_VIEW_FULL}); err != nil {
			t.Fatalf("WatchRun = %v, want a stream", err)
		}
	}
	all := s.watch(t, created.GetId(), fanoutv1.RunView_RUN_VIEW_FULL)
	r := all[len(all)-1]
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	if c := r.GetTally().GetCounts(); c.GetPlanned() != c.GetResponses() {
		t.Errorf("counts = %s, want responses alone", counts(r))
	}
	wantSeen(t, o, r.GetTally().GetCounts().GetResponses())
}
