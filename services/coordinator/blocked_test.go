package coordinator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/worker"
)

// workerFor is a worker that may send to these targets alone.
func workerFor(t *testing.T, rules ...string) *worker.Worker {
	t.Helper()
	policy, err := egress.ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(worker.Config{Dialer: &egress.Dialer{Policy: policy}})
	t.Cleanup(w.Close)
	return w
}

// A worker whose guard refused ten requests ends the run of all: FAILED, with the worker and the rule, and every slot accounted for.
func TestTenRefusalsEndTheRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		plan func(url string) *fanoutv1.Plan
		ends bool // there is more than is in flight when it is stopped
	}{
		{"closed loop", func(url string) *fanoutv1.Plan { return closedLoop(url, 1_000_000, 4) }, true},
		{"closed loop for a time", func(url string) *fanoutv1.Plan { return closedLoop(url, 0, 4) }, true},
		{"open loop", func(url string) *fanoutv1.Plan { return openLoop(url, 200, 30*time.Second) }, true},
		{"all at once", func(url string) *fanoutv1.Plan {
			p := closedLoop(url, 100, 1)
			p.Load.Shape = nil
			return p
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			s := start(t, workerFor(t), workerFor(t, "example.internal", "10.0.0.0/8:443"))
			r := s.carryOut(t, tt.plan(o.URL()+"/ok"))
			wantVerdict(t, r, fanoutv1.Verdict_VERDICT_FAILED, "stopped after ten requests were refused by the egress guard of worker "+address(1)+": 127.0.0.1 is not allowed by this worker at port ")
			if !strings.Contains(r.GetVerdictReason(), "--allow-target allows only example.internal, 10.0.0.0/8:443") {
				t.Errorf("verdict_reason = %q, want the rules", r.GetVerdictReason())
			}
			wantClosed(t, r)
			if c := r.GetTally().GetCounts(); c.GetUnknown() != 0 || c.GetErrors() < 10 || tt.plan("").GetLoad().GetRequests() != 0 && c.GetPlanned() != tt.plan("").GetLoad().GetRequests() {
				t.Errorf("run = %s, want ten errors at least, and nothing unknown", counts(r))
			}
			rest := r.GetTally().GetNotSent()
			if tt.ends && tt.plan("").GetLoad().GetRequests() != 0 && !slices.ContainsFunc(rest, func(n *fanoutv1.NotSentCount) bool {
				return n.GetReason() == fanoutv1.NotSentReason_NOT_SENT_REASON_POLICY_BLOCKED
			}) {
				t.Errorf("not sent = %v, want some POLICY_BLOCKED", rest)
			}
			for _, n := range rest {
				if reason := n.GetReason(); reason != fanoutv1.NotSentReason_NOT_SENT_REASON_POLICY_BLOCKED && reason != fanoutv1.NotSentReason_NOT_SENT_REASON_CANCELLED {
					t.Errorf("not sent = %v, want those of the worker that was blocked, and those of the others that were stopped", rest)
				}
			}
			if seen := o.Ledger().Total(); seen < r.GetTally().GetCounts().GetResponses() {
				t.Errorf("the target saw %d requests, and there are %d responses", seen, r.GetTally().GetCounts().GetResponses())
			}
		})
	}
}

// A plan that narrows its targets is refused what it does not name, on every worker.
func TestAllowedTargetsOfARun(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, workerFor(t), workerFor(t))
	p := closedLoop(o.URL()+"/ok", 1000, 4)
	p.Http.AllowedTargets = []string{"Example.Internal."}
	r := s.carryOut(t, p)
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_FAILED, "127.0.0.1 is not allowed by the caller at port ")
	wantClosed(t, r)
	if got := r.GetPlan().GetHttp().GetAllowedTargets(); !slices.Equal(got, []string{"example.internal"}) {
		t.Errorf("the run's allowed_targets = %v, want example.internal", got)
	}
	wantSeen(t, o, 0)
}

// Ten is the number of a worker; a run whose refusals are fewer goes on to its end.
func TestFewRefusals(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, workerFor(t))
	p := closedLoop(o.URL()+"/ok", 18, 1)
	p.Requests = append(p.Requests, &fanoutv1.Request{Url: "http://10.0.0.1/"})
	p.Http.DialTimeout = durationpb.New(time.Second)
	r := s.carryOut(t, p)
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	wantSeen(t, o, 9)
}
