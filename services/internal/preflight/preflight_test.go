package preflight

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

func ramp(from, to float64, d time.Duration) plan.Stage {
	return plan.Stage{Rate: from, EndRate: &to, Duration: d}
}

// There is one sentence for each thing that may be lacking, with the figures, and nothing where all is well.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const enough = 1_000_000
	closed := func(n, concurrency int64) plan.Load {
		return plan.Load{Requests: n, ClosedLoop: &plan.ClosedLoop{Concurrency: concurrency}}
	}
	open := func(d time.Duration, stages ...plan.Stage) plan.Load {
		return plan.Load{Duration: d, OpenLoop: &plan.OpenLoop{Stages: stages}}
	}
	large := Machine{Files: 20_000, Senders: plan.DefaultCaps().Senders, Ports: 28_232}
	small := Machine{Files: 1024, Senders: 832, Ports: enough}
	few := Machine{Files: enough, Senders: plan.DefaultCaps().Senders, Ports: 50}
	for _, tt := range []struct {
		name    string
		load    plan.Load
		each    int // requests per connection
		atOnce  int64
		share   float64 // 0 is 1
		urls    int     // 0 is 1
		machine Machine
		want    []string // in the warnings, one each
	}{
		{name: "a machine of which nothing is known", load: closed(enough, 10_000), each: 1, atOnce: 10_000},
		{name: "an ordinary load", load: closed(enough, 100), atOnce: 100, machine: large},
		{name: "an open loop", load: open(time.Minute, plan.Stage{Rate: 1000}), machine: large},

		{name: "more at once than files", load: closed(0, 2000), atOnce: 2000, machine: small, want: []string{"1,024 files open, which is not enough for 2,000 requests"}},
		{name: "as many at once as files allow", load: closed(0, 832), atOnce: 832, machine: small},
		{name: "more than any worker takes", load: closed(0, 20_000), atOnce: 20_000, machine: Machine{Files: enough, Senders: large.Senders, Ports: enough}},
		{name: "a rate for which a second is long", load: open(time.Minute, plan.Stage{Rate: 1000}), machine: small, want: []string{"at 1,000 a second slots will be late when the target takes longer than 832ms"}},
		{name: "the greatest rate of a ramp", load: open(time.Minute, ramp(1, 1664, time.Minute)), machine: small, want: []string{"longer than 500ms"}},
		{name: "a share of the rate", load: open(time.Minute, plan.Stage{Rate: 1000}), share: 0.5, machine: small},
		{name: "a rate with a bound on senders", load: open(time.Minute, plan.Stage{Rate: 1000}), atOnce: 100, machine: small},

		{name: "fewer ports than requests at once", load: plan.Load{Requests: 60}, machine: few, want: []string{"50 local ports for connections to the target, and 60 requests at once"}},
		{name: "each request once", load: plan.Load{}, urls: 1, machine: few},
		{name: "two targets", load: plan.Load{Requests: 60}, urls: 2, machine: few},
		{name: "fewer ports than senders", load: closed(0, 51), atOnce: 51, machine: few, want: []string{"51 requests at once"}},
		{name: "more at once than files, without a shape", load: plan.Load{Requests: 2000}, machine: small, want: []string{"not enough for 2,000 requests"}},
		{name: "no keep-alive", load: closed(1000, 10), each: 1, atOnce: 10, machine: few, want: []string{"and 1,000 new connections in that time"}},
		{name: "connections of many requests", load: closed(1000, 10), each: 20, atOnce: 10, machine: few},
		{name: "connections of some requests", load: closed(1000, 10), each: 19, atOnce: 10, machine: few, want: []string{"and 52 new"}},
		{name: "no keep-alive, and no number of requests", load: closed(0, 10), each: 1, atOnce: 10, machine: few},
		{name: "a rate without keep-alive", load: open(time.Hour, plan.Stage{Rate: 500}), each: 1, machine: large, want: []string{"and 30,000 new connections"}},
		{name: "a slow rate without keep-alive", load: open(time.Hour, plan.Stage{Rate: 470}), each: 1, machine: large},
		{name: "a rate that ends soon", load: open(10*time.Second, plan.Stage{Rate: 500}), each: 1, machine: large},
		{name: "stages that end in between", load: open(90*time.Second, ramp(0, 1000, time.Minute), ramp(1000, 0, time.Minute)), each: 1, machine: large, want: []string{"and 52,500 new"}},
		{name: "both", load: closed(0, 2000), atOnce: 2000, machine: Machine{Files: 1024, Senders: 832, Ports: 50}, want: []string{"files", "ports"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &plan.Plan{Load: tt.load, HTTP: plan.HTTPOptions{RequestsPerConnection: tt.each}}
			for i := range max(tt.urls, 1) {
				p.Requests = append(p.Requests, plan.Request{URL: "http://" + string(rune('a'+i)) + ".test/"})
			}
			if tt.share == 0 {
				tt.share = 1
			}
			got := Warnings(p, tt.atOnce, tt.share, tt.machine)
			if len(got) != len(tt.want) {
				t.Fatalf("Warnings() = %q, want %d", got, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) || strings.Contains(got[i], "\n") {
					t.Errorf("Warnings() = %q, want %q in it, on one line", got[i], want)
				}
			}
		})
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	if n := Ports(); runtime.GOOS == "linux" && (n < 1 || n > 65_535) {
		t.Errorf("Ports() = %d, want as many as there may be", n)
	}
}
