package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestNewRun(t *testing.T) {
	t.Parallel()
	p, _ := ParsePlan(minimalPlan(), plan.DefaultCaps())
	p.Outcomes.SlowStream = plan.SlowStreamFold // a run's default, and no call's
	got, violations := ParseNewRun(&fanoutv1.CreateRunRequest{
		RequestId: "nächtlich 1", Plan: minimalPlan(), Name: "a\nb", Labels: map[string]string{"k": ""},
	}, plan.DefaultCaps())
	want := run.NewRun{RequestID: "nächtlich 1", Plan: p, Name: "a\nb", Labels: map[string]string{"k": ""}, OnWorkerLoss: run.Reassign}
	if diff := cmp.Diff(want, got); diff != "" || violations != nil {
		t.Errorf("ParseNewRun = violations %q and, -want +got:\n%s", violations, diff)
	}
}

// What a client asks for is what the coordinator reads.
func TestNewRunRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := run.NewRun{
			RequestID: rapid.StringMatching(`[A-Za-z0-9-]{0,128}`).Draw(t, "request_id"),
			Plan:      drawPlan(t),
			Name:      rapid.StringN(0, 60, 256).Draw(t, "name"),
			Labels: rapid.MapOfN(rapid.StringMatching(`[a-z]{1,64}`), rapid.StringN(0, 60, 256), 1, 5).
				Draw(t, "labels"),
			OnWorkerLoss: rapid.SampledFrom(run.OnWorkerLosses()).Draw(t, "on_worker_loss"),
		}
		if want.Plan.Outcomes.SlowStream == 0 {
			want.Plan.Outcomes.SlowStream = plan.SlowStreamFold // a run's default
		}
		got, violations := ParseNewRun(roundTrip(t, NewRunProto(&want)), plan.DefaultCaps())
		if diff := cmp.Diff(want, got); diff != "" || violations != nil {
			t.Fatalf("ParseNewRun(NewRunProto(about)) = violations %q and, -want +got:\n%s", violations, diff)
		}
	})
}

func TestNewRunViolations(t *testing.T) {
	t.Parallel()
	label := func(key, value string) func(*fanoutv1.CreateRunRequest) {
		return func(pb *fanoutv1.CreateRunRequest) { pb.Labels = map[string]string{key: value} }
	}
	labels := func(n int) func(*fanoutv1.CreateRunRequest) {
		return func(pb *fanoutv1.CreateRunRequest) {
			pb.Labels = make(map[string]string)
			for i := range n {
				pb.Labels["k"+num(i)] = "v"
			}
		}
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name   string
		change func(*fanoutv1.CreateRunRequest)
		field  string
		value  string
		words  string
	}{
		{"request_id too long", func(pb *fanoutv1.CreateRunRequest) { pb.RequestId = long(129) }, "request_id", "129 bytes", "cap of 128"},
		{"request_id does not print", func(pb *fanoutv1.CreateRunRequest) { pb.RequestId = "a\x1b" }, "request_id", `"a\x1b"`, "do not print"},
		{"longest request_id and name", func(pb *fanoutv1.CreateRunRequest) { pb.RequestId, pb.Name = long(128), long(256) }, "", "", ""},
		{"no plan", func(pb *fanoutv1.CreateRunRequest) { pb.Plan = nil }, "plan", "required", "at least one request"},
		{"plan", func(pb *fanoutv1.CreateRunRequest) { pb.Plan.Requests[0].Url = "ftp://x/" }, "plan.requests[0].url", `"ftp://x/"`, "use http or https"},
		{"name too long", func(pb *fanoutv1.CreateRunRequest) { pb.Name = long(257) }, "name", "257 bytes", "cap of 256"},
		{"name is not UTF-8", func(pb *fanoutv1.CreateRunRequest) { pb.Name = "\xff" }, "name", `"\xff"`, "UTF-8"},
		{"as many labels as can be", labels(64), "", "", ""},
		{"too many labels", labels(65), "labels", "65 labels", "cap of 64"},
		{"longest label", label(long(64), long(256)), "", "", ""},
		{"empty key", label("", "v"), `labels[""]`, `""`, "1 to 64 bytes"},
		{"key too long", label(long(65), "v"), `labels["` + long(65) + `"]`, "65 bytes", "cap of 64"},
		{"key is not UTF-8", label("\xff", "v"), `labels["\xff"]`, `"\xff"`, "UTF-8"},
		{"value too long", label("k", long(257)), `labels["k"]`, "257 bytes", "cap of 256"},
		{"value is not UTF-8", label("k", "\xff"), `labels["k"]`, `"\xff"`, "UTF-8"},
		{"another way with a lost worker", func(pb *fanoutv1.CreateRunRequest) { pb.OnWorkerLoss = 4 }, "on_worker_loss", "4", "FAIL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := &fanoutv1.CreateRunRequest{Plan: minimalPlan()}
			tt.change(req)
			_, got := ParseNewRun(req, plan.DefaultCaps())
			if tt.field == "" {
				if got != nil {
					t.Errorf("ParseNewRun = %q, want none", got)
				}
				return
			}
			wantViolations(t, got, Violation{tt.field, tt.value}, Violation{tt.field, tt.words})
		})
	}
}

func TestNewRunViolationsAtOnce(t *testing.T) {
	t.Parallel()
	_, got := ParseNewRun(&fanoutv1.CreateRunRequest{
		RequestId: "\n", Plan: &fanoutv1.Plan{}, Name: "\xff", Labels: map[string]string{"": "\xff", "b": "\xff"},
	}, plan.DefaultCaps())
	var fields []string
	for _, v := range got {
		fields = append(fields, v.Field)
	}
	want := []string{"request_id", "plan.requests", "name", `labels[""]`, `labels[""]`, `labels["b"]`}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields, -want +got:\n%s", diff)
	}
	if _, got := ParseNewRun(nil, plan.DefaultCaps()); len(got) != 1 || got[0].Field != "plan" {
		t.Errorf("ParseNewRun(nil) = %q, want one on plan", got)
	}
}
