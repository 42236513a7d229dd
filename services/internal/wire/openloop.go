package wire

import (
	"math"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// maxStages bounds the stages of a load: a step each minute and a half of the longest one.
const maxStages = 1000

// openLoop is the open loop that pb says; said is its load, and load what that has beside it.
func (c *checker) openLoop(at string, pb *fanoutv1.OpenLoop, said *fanoutv1.Load, load plan.Load) *plan.OpenLoop {
	l := &plan.OpenLoop{MaxConcurrency: pb.GetMaxConcurrency()}
	before := c.count()
	if n := len(pb.GetStages()); n == 0 {
		c.addf(at, "stages", "0 stages have no rate; give one with rate_per_second")
	} else if n > maxStages {
		c.addf(at, "stages", "%d stages are beyond the cap of %d; use fewer", n, maxStages)
	} else {
		l.Stages = c.stages(at, pb.GetStages(), said)
	}
	if random, ok := pb.GetArrival().(*fanoutv1.OpenLoop_Poisson); ok {
		l.Poisson = &plan.Poisson{Seed: random.Poisson.GetSeed()}
	}
	if c.count() == before { // it has a schedule
		load.OpenLoop = l
		c.slots(at, load)
	}
	c.atLeast(at, "max_concurrency", l.MaxConcurrency, 0)
	if pb.GetMaxLateness() != nil {
		l.MaxLateness = c.duration(at, "max_lateness", pb.GetMaxLateness())
	}
	return l
}

func (c *checker) stages(at string, pbs []*fanoutv1.Stage, load *fanoutv1.Load) []plan.Stage {
	stages := make([]plan.Stage, len(pbs))
	sum := time.Duration(0)
	for i, pb := range pbs {
		field := at + ".stages[" + strconv.Itoa(i) + "]"
		before := c.count()
		stages[i] = c.stage(field, pb)
		switch {
		case pb.GetDuration() != nil || c.count() > before:
		case i < len(pbs)-1:
			c.addf(field, "duration", "no duration is given, which only the last stage can do without; give one")
		default:
			c.endless(field, stages, load)
		}
		if sum += stages[i].Duration; sum < 0 {
			sum = math.MaxInt64 // saturates
		}
	}
	if load.GetDuration() == nil && sum > c.caps.Duration {
		c.addf(at, "stages", "%s of all stages together are beyond %s; use at most that", show(sum), c.maxDuration())
	}
	return stages
}

func (c *checker) stage(at string, pb *fanoutv1.Stage) plan.Stage {
	s := plan.Stage{
		Rate:     c.rate(at, "rate_per_second", pb.GetRatePerSecond()),
		Duration: c.positive(at, "duration", pb.GetDuration()),
	}
	if pb != nil && pb.EndRatePerSecond != nil {
		end := c.rate(at, "end_rate_per_second", pb.GetEndRatePerSecond())
		s.EndRate = &end
	}
	return s
}

// rate is a rate from 0 to the cap.
func (c *checker) rate(at, name string, rate float64) float64 {
	switch {
	case math.IsNaN(rate), math.IsInf(rate, 0):
		c.addf(at, name, "%v is not a rate; use 0 to %s", rate, showRate(c.caps.Rate))
	case rate < 0:
		c.addf(at, name, "%s is less than 0; use 0 to %s", showRate(rate), showRate(c.caps.Rate))
	case rate > c.caps.Rate:
		c.addf(at, name, "%s is beyond %s; use at most that", showRate(rate), c.limit("max_rate_per_second", showRate(c.caps.Rate)))
	default:
		return rate
	}
	return 0
}

// endless checks that a last stage without a duration comes to an end: by the load's duration, by requests, or, when it is
// the only one, because each request is sent once.
func (c *checker) endless(at string, stages []plan.Stage, load *fanoutv1.Load) {
	switch last := stages[len(stages)-1]; {
	case last.Rate == 0 && last.RateAtEnd() == 0:
		c.addf(at, "rate_per_second", "0 in a stage without a duration is a pause without end; use more than 0, or give the stage a duration")
	case last.Rate != last.RateAtEnd() && load.GetDuration() == nil:
		c.addf(at, "duration", "no duration is given, neither here nor in the load, and a ramp has to end; give one of them")
	case len(stages) > 1 && load.GetDuration() == nil && load.GetRequests() == 0:
		c.addf(at, "duration", "no duration is given, and the load has neither duration nor requests to end it; give one of them")
	}
}

// slots checks how many slots the stages have until the load's end. Where requests ends it first, that number was checked.
func (c *checker) slots(at string, load plan.Load) {
	n := schedule.DueInTime(load)
	switch stages := load.OpenLoop.Stages; {
	case n == 0 && load.OpenLoop.Poisson != nil:
		c.addf(at, "stages", "0 slots fall due within %s with this seed; use higher rates, a longer time or another seed", show(load.End()))
	case n == 0:
		c.addf(at, "stages", "0 slots fall due within %s; give a stage within it a rate of more than 0", show(load.End()))
	case load.Requests > 0 && schedule.New(&plan.Plan{Load: load}).Due(load.Requests-1) > c.caps.Duration && n >= load.Requests:
		c.addf(at, "stages", "%d requests at these rates take longer than %s; use higher rates or fewer requests", load.Requests, c.maxDuration())
	case n == schedule.Unbounded || n <= c.caps.Slots || load.Requests > 0:
	case len(stages) == 1 && stages[0].EndRate == nil:
		c.addf(at+".stages[0]", "rate_per_second", "%s per second for %s are %d slots, beyond %s; lower the rate or the duration",
			showRate(stages[0].Rate), show(earliest(load.Duration, stages[0].Duration)), n, c.maxSlots())
	default:
		c.addf(at, "stages", "%d slots fall due within %s, beyond %s; lower rates or durations", n, show(load.End()), c.maxSlots())
	}
}

func (c *checker) maxSlots() string {
	return c.limit("max_slot_count", strconv.FormatInt(c.caps.Slots, 10))
}

// earliest is the lesser of two durations of which 0 is not given.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
