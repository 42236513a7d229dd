package schedule

import (
	"math"
	"math/big"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// never is the due time of what the rate's integral does not reach.
const never = time.Duration(math.MaxInt64)

// point is a value of the rate's integral, in slots: whole + fraction. One float64 would be off by 2·10^-6 at 10^10 slots,
// and that is 2 ms where the rate is 0.001.
type point struct {
	whole    int64
	fraction float64 // 0 … 1
}

// minus is p - q, rounded once where it matters: near q.
func (p point) minus(q point) float64 {
	return float64(p.whole-q.whole) + (p.fraction - q.fraction)
}

func (p point) less(q point) bool {
	return p.whole < q.whole || p.whole == q.whole && p.fraction < q.fraction
}

// timeline is the rate over the time: the stages of an open loop, one after the other.
type timeline []stage

func newTimeline(load plan.Load) timeline {
	var (
		line  timeline
		start time.Duration
		sum   = new(big.Float).SetPrec(exactBits)
	)
	for _, said := range load.OpenLoop.Stages {
		length := said.Duration
		switch {
		case length > 0:
		case said.Rate == said.RateAtEnd():
			length = never - start
		default: // the load's end is where the ramp has its end rate
			length = load.Duration - start
		}
		if length <= 0 {
			break // the load ends before
		}
		s := newStage(start, length, said.Rate, said.RateAtEnd())
		s.low = toPoint(sum)
		sum.Add(sum, s.area())
		s.high = toPoint(sum)
		line = append(line, s)
		start += s.length
	}
	return line
}

// exactBits is a precision at which sums over stages lose nothing that a point can hold.
const exactBits = 200

func toPoint(x *big.Float) point {
	whole, _ := x.Int64() // saturates
	rest := new(big.Float).SetPrec(exactBits).SetInt64(whole)
	fraction, _ := rest.Sub(x, rest).Float64()
	return point{whole, min(fraction, 1)}
}

// due is when the integral passes p. Where it rests at p, in a pause, that is the pause's end: no slot is due in it.
func (l timeline) due(p point) time.Duration {
	for i := l.stageOf(p); i < len(l); i++ {
		s := &l[i]
		// What is due where a stage ends, to the nanosecond, is due in the next that is not a pause.
		if t := s.due(p); t < s.length {
			return s.start + t
		}
	}
	return never
}

// stageOf is the last stage that begins at p or before.
func (l timeline) stageOf(p point) int {
	low, high := 0, len(l)
	for low+1 < high {
		middle := (low + high) / 2
		if p.less(l[middle].low) {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// at is the stage at an offset from the start; false: after the last.
func (l timeline) at(t time.Duration) (*stage, bool) {
	for i := range l {
		if s := &l[i]; t-s.start < s.length {
			return s, true
		}
	}
	return nil, false
}

// integral is the integral of the rate from the start to the offset t, about.
func (l timeline) integral(t time.Duration) float64 {
	switch s, ok := l.at(t); {
	case ok:
		return float64(s.low.whole) + s.low.fraction + s.integral(t-s.start)
	case len(l) > 0:
		return float64(l[len(l)-1].high.whole) + 1
	default:
		return 0
	}
}

// rate is the rate at the offset t.
func (l timeline) rate(t time.Duration) float64 {
	s, ok := l.at(t)
	if !ok || t < 0 {
		return 0
	}
	return s.rateAt(t - s.start)
}
