package admission

import (
	"errors"
	"testing"

	"github.com/fanout-load/fanout/services/internal/plan"
)

func TestConcurrency(t *testing.T) {
	t.Parallel()
	caps := plan.Caps{Senders: 100}
	closed := &plan.Plan{Load: plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 30}}}
	open := &plan.Plan{Load: plan.Load{OpenLoop: &plan.OpenLoop{}}}
	bounded := &plan.Plan{Load: plan.Load{OpenLoop: &plan.OpenLoop{MaxConcurrency: 20}}}
	once := &plan.Plan{}
	for _, tt := range []struct {
		name         string
		plan         *plan.Plan
		shard        bool
		asked, slots int64
		want         int64
		beyond       string // the field
	}{
		{"closed loop", closed, false, 0, 1000, 30, ""},
		{"a shard's part of a closed loop", closed, true, 10, 1000, 10, ""},
		{"open loop", open, false, 0, 1000, 100, ""},
		{"bounded open loop", bounded, false, 0, 1000, 20, ""},
		{"a shard that does not say", bounded, true, 0, 1000, 100, ""},
		{"all at once", once, false, 0, 100, 100, ""},
		{"too many at once", once, false, 0, 101, 0, "plan.load.requests"},
		{"a shard beyond the cap", once, true, 101, 10, 0, "shard.concurrency"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, beyond := Concurrency(tt.plan, tt.shard, tt.asked, tt.slots, caps)
			if tt.beyond != "" {
				if beyond == nil || beyond.Field != tt.beyond || beyond.Cap != 100 {
					t.Fatalf("Concurrency = %d, %+v, want it beyond the cap of %s", got, beyond, tt.beyond)
				}
				return
			}
			if got != tt.want || beyond != nil {
				t.Errorf("Concurrency = %d, %+v, want %d", got, beyond, tt.want)
			}
		})
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	r := NewRoom(plan.Caps{Calls: 2, Senders: 10})
	if err := r.Take(Need{Senders: 8}); err != nil {
		t.Fatalf("Take(8) = %v", err)
	}
	var full *Full
	if err := r.Take(Need{Senders: 3}); !errors.As(err, &full) || full.What != "senders" || full.Used != 8 {
		t.Errorf("Take(3) = %v, want that 8 of 10 senders are taken", err)
	}
	taken := 0
	for r.TakeSender(0) {
		taken++
	}
	if taken != 2 {
		t.Errorf("TakeSender gave %d, want the two that were left", taken)
	}
	r.LeaveSender(0)
	if err := r.Take(Need{Senders: 1}); err != nil {
		t.Errorf("Take(1) = %v", err)
	}
	if err := r.Take(Need{}); !errors.As(err, &full) || full.What != "calls" {
		t.Errorf("Take(0) = %v, want that all calls are taken", err)
	}
	r.Leave(Need{Senders: 1})
	r.Leave(Need{Senders: 8})
	if got := r.Calls(); got != 0 {
		t.Errorf("Calls() = %d, want 0", got)
	}
}
