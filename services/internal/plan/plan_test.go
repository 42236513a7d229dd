package plan

import (
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	stages := func(durations ...time.Duration) *OpenLoop {
		open := &OpenLoop{}
		for _, d := range durations {
			open.Stages = append(open.Stages, Stage{Rate: 1, Duration: d})
		}
		return open
	}
	grace := time.Duration(0)
	for _, tt := range []struct {
		name string
		load Load
		once bool
		end  time.Duration
	}{
		{"nothing", Load{}, true, 0},
		{"a grace alone", Load{Grace: &grace}, true, 0},
		{"requests", Load{Requests: 3}, false, 0},
		{"duration", Load{Duration: time.Second}, false, time.Second},
		{"closed loop alone", Load{ClosedLoop: &ClosedLoop{Concurrency: 2}}, true, 0},
		{"closed loop of requests", Load{Requests: 3, ClosedLoop: &ClosedLoop{Concurrency: 2}}, false, 0},
		{"closed loop for a time", Load{Duration: time.Minute, ClosedLoop: &ClosedLoop{Concurrency: 2}}, false, time.Minute},
		{"open loop alone", Load{OpenLoop: stages(0)}, true, 0},
		{"open loop for a time", Load{Duration: time.Minute, OpenLoop: stages(0)}, false, time.Minute},
		{"a stage with an end", Load{OpenLoop: stages(time.Second)}, false, time.Second},
		{"stages with an end", Load{OpenLoop: stages(time.Second, 2*time.Second)}, false, 3 * time.Second},
		{"a last stage without end", Load{Requests: 9, OpenLoop: stages(time.Second, 0)}, false, 0},
		{"the duration before the stages", Load{Duration: time.Second, OpenLoop: stages(time.Minute)}, false, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.load.Once(); got != tt.once {
				t.Errorf("Once() = %v, want %v", got, tt.once)
			}
			if got := tt.load.End(); got != tt.end {
				t.Errorf("End() = %v, want %v", got, tt.end)
			}
		})
	}
}

func TestGraceDuration(t *testing.T) {
	t.Parallel()
	none, some := time.Duration(0), 3*time.Second
	for _, tt := range []struct {
		name     string
		grace    *time.Duration
		timeouts []time.Duration
		want     time.Duration
		longest  time.Duration
	}{
		{"absent: the timeout", nil, []time.Duration{time.Second}, time.Second, time.Second},
		{"absent: the longest timeout", nil, []time.Duration{1, time.Minute, 2}, time.Minute, time.Minute},
		{"none", &none, []time.Duration{time.Second}, 0, time.Second},
		{"shorter than the timeout", &some, []time.Duration{time.Minute}, some, time.Minute},
		{"longer than the timeout", &some, []time.Duration{time.Second}, some, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &Plan{Load: Load{Grace: tt.grace}}
			for _, timeout := range tt.timeouts {
				p.Requests = append(p.Requests, Request{Timeout: timeout})
			}
			if got := p.GraceDuration(); got != tt.want {
				t.Errorf("GraceDuration() = %v, want %v", got, tt.want)
			}
			if got := p.LongestTimeout(); got != tt.longest {
				t.Errorf("LongestTimeout() = %v, want %v", got, tt.longest)
			}
		})
	}
}

// A cap that is 0 would refuse everything, and the caps within one message have to fit in it.
func TestDefaultCaps(t *testing.T) {
	t.Parallel()
	caps := DefaultCaps()
	for name, got := range map[string]float64{
		"Calls": float64(caps.Calls), "Senders": float64(caps.Senders), "Slots": float64(caps.Slots), "Rate": caps.Rate,
		"Duration": float64(caps.Duration), "Requests": float64(caps.Requests), "PlanBytes": float64(caps.PlanBytes),
		"HeadBytes": float64(caps.HeadBytes), "BodyBytes": float64(caps.BodyBytes), "URLBytes": float64(caps.URLBytes),
	} {
		if got <= 0 {
			t.Errorf("DefaultCaps().%s = %v, want more than 0", name, got)
		}
	}
	const message = 4 << 20 // what gRPC takes unless it is told otherwise
	if got := caps.PlanBytes; got >= message {
		t.Errorf("DefaultCaps().PlanBytes = %d, want less than gRPC's %d", got, message)
	}
	if got := caps.BodyBytes + caps.HeadBytes + caps.URLBytes; got >= caps.PlanBytes {
		t.Errorf("DefaultCaps() of one request = %d bytes, want it to fit in a plan of %d", got, caps.PlanBytes)
	}
}
