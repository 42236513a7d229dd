package main

import (
	"io"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// loadOf is what the flags of a load say.
func loadOf(args ...string) (plan.Load, error) {
	var f loadFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	f.add(flags)
	if err := flags.Parse(args); err != nil {
		return plan.Load{}, err
	}
	return f.load(flags)
}

// What -n, -c, -q and -z say, alone and together.
func TestLoadFlags(t *testing.T) {
	t.Parallel()
	closed := func(n int64) *plan.ClosedLoop { return &plan.ClosedLoop{Concurrency: n} }
	open := func(rate float64, most int64) *plan.OpenLoop {
		return &plan.OpenLoop{Stages: []plan.Stage{{Rate: rate}}, MaxConcurrency: most}
	}
	for _, tt := range []struct {
		name string
		args []string
		want plan.Load
	}{
		{"nothing: one request", nil, plan.Load{}},
		{"n: all at once", []string{"-n", "10"}, plan.Load{Requests: 10}},
		{"c: 10 s", []string{"-c", "4"}, plan.Load{Duration: 10 * time.Second, ClosedLoop: closed(4)}},
		{"q: 10 s", []string{"-q", "20"}, plan.Load{Duration: 10 * time.Second, OpenLoop: open(20, 0)}},
		{"z: 50 senders", []string{"-z", "3s"}, plan.Load{Duration: 3 * time.Second, ClosedLoop: closed(50)}},
		{"n c", []string{"-n", "10", "-c", "4"}, plan.Load{Requests: 10, ClosedLoop: closed(4)}},
		{"n q", []string{"-n", "10", "-q", "20"}, plan.Load{Requests: 10, OpenLoop: open(20, 0)}},
		{"n z: 50 senders", []string{"-n", "10", "-z", "3s"}, plan.Load{Requests: 10, Duration: 3 * time.Second, ClosedLoop: closed(50)}},
		{"c q: the most senders", []string{"-c", "4", "-q", "20"}, plan.Load{Duration: 10 * time.Second, OpenLoop: open(20, 4)}},
		{"c z", []string{"-c", "4", "-z", "3s"}, plan.Load{Duration: 3 * time.Second, ClosedLoop: closed(4)}},
		{"q z", []string{"-q", "20", "-z", "3s"}, plan.Load{Duration: 3 * time.Second, OpenLoop: open(20, 0)}},
		{"n c q", []string{"-n", "10", "-c", "4", "-q", "20"}, plan.Load{Requests: 10, OpenLoop: open(20, 4)}},
		{"n c z", []string{"-n", "10", "-c", "4", "-z", "3s"}, plan.Load{Requests: 10, Duration: 3 * time.Second, ClosedLoop: closed(4)}},
		{"n q z", []string{"-n", "10", "-q", "20", "-z", "3s"}, plan.Load{Requests: 10, Duration: 3 * time.Second, OpenLoop: open(20, 0)}},
		{"c q z", []string{"-c", "4", "-q", "20", "-z", "3s"}, plan.Load{Duration: 3 * time.Second, OpenLoop: open(20, 4)}},
		{"n c q z", []string{"-n", "10", "-c", "4", "-q", "20", "-z", "3s"}, plan.Load{Requests: 10, Duration: 3 * time.Second, OpenLoop: open(20, 4)}},
		{"long names", []string{"--requests=10", "--concurrency=4", "--rate=0.5", "--duration=90"}, plan.Load{Requests: 10, Duration: 90 * time.Second, OpenLoop: open(0.5, 4)}},
		{"great ones", []string{"-n", "9223372036854775807", "-q", "1e300"}, plan.Load{Requests: math.MaxInt64, OpenLoop: open(1e300, 0)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := loadOf(tt.args...); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("load of %q = %+v, %v, want %+v", tt.args, got, err, tt.want)
			}
		})
	}
}

// What --stage, --poisson, --seed and --max-lateness say beside the others.
func TestOpenLoopFlags(t *testing.T) {
	t.Parallel()
	to := func(rate float64) *float64 { return &rate }
	ten := plan.Stage{Rate: 100, Duration: 10 * time.Second}
	for _, tt := range []struct {
		name     string
		args     []string
		requests int64
		duration time.Duration
		want     plan.OpenLoop
	}{
		{"a stage: as long as it is", []string{"--stage", "10s:100"}, 0, 0, plan.OpenLoop{Stages: []plan.Stage{ten}}},
		{"a ramp", []string{"--stage", "30s:100..1000"}, 0, 0, plan.OpenLoop{Stages: []plan.Stage{{Rate: 100, EndRate: to(1000), Duration: 30 * time.Second}}}},
		{"a ramp to 0", []string{"--stage=1m:0.5..0"}, 0, 0, plan.OpenLoop{Stages: []plan.Stage{{Rate: 0.5, EndRate: to(0), Duration: time.Minute}}}},
		{
			"stages, one after the other",
			[]string{"--stage", "10s:100", "--stage", "5:0", "--stage", "1m30s:0..1e3"},
			0, 0,
			plan.OpenLoop{Stages: []plan.Stage{ten, {Duration: 5 * time.Second}, {EndRate: to(1000), Duration: 90 * time.Second}}},
		},
		{"n c z", []string{"--stage", "10s:100", "-n", "7", "-c", "4", "-z", "3s"}, 7, 3 * time.Second, plan.OpenLoop{Stages: []plan.Stage{ten}, MaxConcurrency: 4}},
		{"at random", []string{"--stage", "10s:100", "--poisson"}, 0, 0, plan.OpenLoop{Stages: []plan.Stage{ten}, Poisson: &plan.Poisson{}}},
		{"at random, q", []string{"-q", "5", "--poisson", "--seed", "-3"}, 0, 10 * time.Second, plan.OpenLoop{Stages: []plan.Stage{{Rate: 5}}, Poisson: &plan.Poisson{Seed: -3}}},
		{"patience", []string{"-q", "5", "--max-lateness", "200ms"}, 0, 10 * time.Second, plan.OpenLoop{Stages: []plan.Stage{{Rate: 5}}, MaxLateness: 200 * time.Millisecond}},
		{"patience in seconds", []string{"--stage", "10s:100", "--max-lateness", "2"}, 0, 0, plan.OpenLoop{Stages: []plan.Stage{ten}, MaxLateness: 2 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := plan.Load{Requests: tt.requests, Duration: tt.duration, OpenLoop: &tt.want}
			if got, err := loadOf(tt.args...); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("load of %q = %+v, %v, want %+v", tt.args, got, err, want)
			}
		})
	}
	var s stages
	for _, text := range []string{"10s:100", "5:0", "30s:100..1e3"} {
		if err := s.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.String(), "10s:100, 5s:0, 30s:100..1000"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestDurationFlag(t *testing.T) {
	t.Parallel()
	const bad = -1 // an error
	for _, tt := range []struct {
		text string
		want time.Duration
	}{
		{"10s", 10 * time.Second},
		{"1m30s", 90 * time.Second},
		{"200ms", 200 * time.Millisecond},
		{"10", 10 * time.Second},
		{"0.25", 250 * time.Millisecond},
		{"1e1", 10 * time.Second},
		{"0", 0},
		{"86400", 24 * time.Hour},
		{"4000000000", 4_000_000_000 * time.Second},

		{"", bad},
		{"soon", bad},
		{"10 s", bad},
		{"10x", bad},
		{"1d", bad},
		{"NaN", bad},
		{"Inf", bad},
		{"-Inf", bad},
		{"1e300", bad},
		{"1e999", bad},
		{"-1e300", bad},
		{"9223372037", bad},   // seconds, of which nanoseconds overflow
		{"99999999999h", bad}, // hours, too
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			var d duration
			err := d.Set(tt.text)
			if (err != nil) != (tt.want == bad) || err == nil && d.value != tt.want {
				t.Errorf("Set(%q) = %v, %v, want %v", tt.text, d.value, err, tt.want)
			}
			if d.given != (err == nil) {
				t.Errorf("Set(%q): given = %v, want it only without an error", tt.text, d.given)
			}
		})
	}
}

// A flag that was not given shows no default in the help text.
func TestDurationString(t *testing.T) {
	t.Parallel()
	var d duration
	if got := d.String(); got != "" {
		t.Errorf("String() of a flag that was not given = %q, want nothing", got)
	}
	if err := d.Set("90"); err != nil || d.String() != "1m30s" {
		t.Errorf("String() of 90 = %q, %v, want 1m30s", d.String(), err)
	}
}
