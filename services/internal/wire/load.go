package wire

import (
	"math"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func (c *checker) load(pb *fanoutv1.Load) plan.Load {
	const at = "plan.load"
	l := plan.Load{
		Requests: pb.GetRequests(),
		Duration: c.positive(at, "duration", pb.GetDuration()),
	}
	c.inRange(at, "requests", l.Requests, 0, c.caps.Slots)
	if pb.GetGraceDuration() != nil {
		grace := c.duration(at, "grace_duration", pb.GetGraceDuration())
		l.Grace = &grace
	}
	switch shape := pb.GetShape().(type) {
	case *fanoutv1.Load_ClosedLoop:
		l.ClosedLoop = c.closedLoop(at+".closed_loop", shape.ClosedLoop)
	case *fanoutv1.Load_OpenLoop:
		l.OpenLoop = c.openLoop(at+".open_loop", shape.OpenLoop)
		c.slots(at, l)
	default:
		if l.Duration > 0 && l.Requests == 0 {
			c.addf(at, "duration", "%s without requests, closed_loop or open_loop says how long but not how much; add one of them",
				show(l.Duration))
		}
	}
	return l
}

func (c *checker) closedLoop(at string, pb *fanoutv1.ClosedLoop) *plan.ClosedLoop {
	// What one worker takes is for its admission to say; nobody has more senders than slots.
	c.inRange(at, "concurrency", pb.GetConcurrency(), 1, c.caps.Slots)
	return &plan.ClosedLoop{Concurrency: pb.GetConcurrency()}
}

func (c *checker) openLoop(at string, pb *fanoutv1.OpenLoop) *plan.OpenLoop {
	l := &plan.OpenLoop{MaxConcurrency: pb.GetMaxConcurrency()}
	c.atLeast(at, "max_concurrency", l.MaxConcurrency, 0)
	switch n := len(pb.GetStages()); n {
	case 0:
		c.addf(at, "stages", "0 stages have no rate; give one with rate_per_second")
	case 1:
	default:
		c.addf(at, "stages", "%d stages cannot be carried out yet; give exactly one", n)
	}
	for i, stage := range pb.GetStages() {
		l.Stages = append(l.Stages, c.stage(at+".stages["+strconv.Itoa(i)+"]", stage))
	}
	return l
}

func (c *checker) stage(at string, pb *fanoutv1.Stage) plan.Stage {
	return plan.Stage{
		Rate:     c.rate(at, pb.GetRatePerSecond()),
		Duration: c.positive(at, "duration", pb.GetDuration()),
	}
}

func (c *checker) rate(at string, rate float64) float64 {
	switch {
	case math.IsNaN(rate), math.IsInf(rate, 0):
		c.addf(at, "rate_per_second", "%v is not a rate; use more than 0 and at most %s", rate, showRate(c.caps.Rate))
	case rate <= 0:
		c.addf(at, "rate_per_second", "%s is not more than 0; use more than 0 and at most %s", showRate(rate), showRate(c.caps.Rate))
	case rate > c.caps.Rate:
		c.addf(at, "rate_per_second", "%s is beyond the cap of %s; use at most that", showRate(rate), showRate(c.caps.Rate))
	default:
		return rate
	}
	return 0
}

// slots checks how many slots an open loop that time ends has. Where requests ends it first, that number was checked.
func (c *checker) slots(at string, l plan.Load) {
	if len(l.OpenLoop.Stages) != 1 {
		return
	}
	stage := l.OpenLoop.Stages[0]
	end := earliest(l.Duration, stage.Duration)
	slots := stage.Rate * end.Seconds()
	if slots <= float64(c.caps.Slots) || l.Requests > 0 && l.Requests <= c.caps.Slots {
		return
	}
	c.addf(at, "open_loop.stages[0].rate_per_second", "%s per second for %s are %s slots, beyond the cap of %d; lower the rate or the duration",
		showRate(stage.Rate), show(end), showRate(math.Ceil(slots)), c.caps.Slots)
}

// earliest is the lesser of two durations of which 0 is not given.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
