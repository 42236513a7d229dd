package wire

import (
	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func (c *checker) load(pb *fanoutv1.Load) plan.Load {
	const at = "plan.load"
	l := plan.Load{
		Requests: pb.GetRequests(),
		Duration: c.positive(at, "duration", pb.GetDuration()),
	}
	c.capped(at, "requests", l.Requests, 0, c.caps.Slots, "max_slot_count")
	if pb.GetGraceDuration() != nil {
		grace := c.duration(at, "grace_duration", pb.GetGraceDuration())
		l.Grace = &grace
	}
	switch shape := pb.GetShape().(type) {
	case *fanoutv1.Load_ClosedLoop:
		l.ClosedLoop = c.closedLoop(at+".closed_loop", shape.ClosedLoop)
	case *fanoutv1.Load_OpenLoop:
		l.OpenLoop = c.openLoop(at+".open_loop", shape.OpenLoop, pb, l)
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
	c.capped(at, "concurrency", pb.GetConcurrency(), 1, c.caps.Slots, "max_slot_count")
	return &plan.ClosedLoop{Concurrency: pb.GetConcurrency()}
}
