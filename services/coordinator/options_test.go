package coordinator_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/target"
)

// A run whose outcomes are in the tallies alone comes to the same as any other, second by second, over several workers.
func TestTallyOnly(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorkers(t, 3)...)
	const slots = 3000
	p := closedLoop(o.URL()+"/ok", slots, 9)
	p.Requests = append(p.Requests, &fanoutv1.Request{Url: o.URL() + "/reset", Group: "resets"})
	p.Outcomes = &fanoutv1.OutcomeOptions{Detail: fanoutv1.Detail_DETAIL_TALLY_ONLY}
	r := s.carryOut(t, p)
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	wantSeen(t, o, slots)
	tally := r.GetTally()
	if c := tally.GetCounts(); c.GetResponses() != slots/2 || c.GetErrors() != slots/2 || tally.GetFoldedCount() != slots || tally.GetRecordsCount() != 0 {
		t.Errorf("counts = %s, %d folded, %d in batches, want %d each, all folded", counts(r), tally.GetFoldedCount(), tally.GetRecordsCount(), slots/2)
	}
	if n := tally.GetGroups()["resets"].GetCounts().GetErrors(); n != slots/2 {
		t.Errorf("%d errors in the group, want %d", n, slots/2)
	}
	if got := r.GetPlan().GetOutcomes().GetSlowStream(); got != fanoutv1.SlowStream_SLOW_STREAM_FOLD {
		t.Errorf("the run's slow_stream = %v, want FOLD, its default", got)
	}
	intervals, err := s.ListRunIntervals(t.Context(), &fanoutv1.ListRunIntervalsRequest{RunId: r.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, interval := range intervals.GetIntervals() {
		sum += interval.GetTally().GetCounts().GetResponses() + interval.GetTally().GetCounts().GetErrors()
	}
	if sum != slots {
		t.Errorf("the seconds have %d outcomes, want %d", sum, slots)
	}
}

// A run is carried out with a client certificate over several workers, and nobody who asks for the run gets the key.
func TestTheKeyIsNotTold(t *testing.T) {
	t.Parallel()
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := certificates.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	o, err := target.StartOracle(target.OracleConfig{TLS: certificates.ServeVerified()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	s := start(t, newWorkers(t, 2)...)
	p := closedLoop(o.URL()+"/ok", 20, 4)
	p.Http.Tls = &fanoutv1.TlsOptions{CaPem: string(certificates.CAPEM), CertPem: string(certPEM), KeyPem: string(keyPEM)}
	created := s.create(t, p)
	all := []proto.Message{created}
	for _, view := range []fanoutv1.RunView{fanoutv1.RunView_RUN_VIEW_BASIC, fanoutv1.RunView_RUN_VIEW_FULL} {
		watched := s.watch(t, created.GetId(), view)
		last := watched[len(watched)-1]
		if c := last.GetTally().GetCounts(); c.GetResponses() != 20 {
			t.Errorf("counts = %s, want 20 responses", counts(last))
		}
		for _, r := range watched {
			all = append(all, r)
		}
		found, err := s.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: created.GetId(), View: view})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found)
	}
	listed, err := s.ListRuns(t.Context(), &fanoutv1.ListRunsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, listed)
	secret := strings.Split(string(keyPEM), "\n")[1]
	for _, m := range all {
		if shown := protojson.Format(m); strings.Contains(shown, secret) || strings.Contains(shown, "keyPem") {
			t.Errorf("%s has the key", m.ProtoReflect().Descriptor().Name())
		}
	}
}
