package schedule

import (
	"math"
	"math/big"
	"time"
)

// stage is a time in which the rate is constant or changes linearly.
type stage struct {
	start, length time.Duration
	rate, endRate float64 // slots per second
	low, high     point   // the integral of the rate at its start and end
	slow, slope   float64 // the rate at the slower end, and its change per second from there on
}

func newStage(start, length time.Duration, rate, endRate float64) stage {
	return stage{
		start: start, length: length, rate: rate, endRate: endRate,
		slow: min(rate, endRate), slope: math.Abs(endRate-rate) / length.Seconds(),
	}
}

// area is the integral of the rate over the stage, exactly.
func (s *stage) area() *big.Float {
	exact := func() *big.Float { return new(big.Float).SetPrec(exactBits) }
	height := exact().Add(exact().SetFloat64(s.rate), exact().SetFloat64(s.endRate))
	area := height.Mul(height, exact().SetInt64(int64(s.length)))
	return area.Quo(area, exact().SetInt64(2*int64(time.Second)))
}

// due is the nearest nanosecond, from the stage's start, to where the integral reaches p; the stage's length if it does not.
// It never goes back when p goes on.
//
// A ramp is measured from its slower end: there all terms are positive, so that nothing cancels, and a slot next to a rate of
// 0 is as exact as any other.
func (s *stage) due(p point) time.Duration {
	switch {
	case s.rate == s.endRate:
		return s.constant(max(p.minus(s.low), 0))
	case s.rate < s.endRate:
		return s.ramp(max(p.minus(s.low), 0))
	default:
		return s.length - s.ramp(max(s.high.minus(p), 0))
	}
}

// constant is the time to y slots at a constant rate: two roundings of a value below 2^47 ns (24 h) are less than a tenth of
// a nanosecond.
func (s *stage) constant(y float64) time.Duration {
	if s.rate == 0 {
		return s.length
	}
	return s.nanos(y / s.rate * 1e9)
}

// ramp is the time to y slots from the slower end of a ramp: the t of y = r·t + k/2·t², where r is the rate at that end and k
// the slope. It is 2y / (r + √(r² + 2ky)), the form of the quadratic formula that does not subtract (Press et al., "Numerical
// recipes", section 5.6).
//
// A formula with so many roundings may go back by one when y goes on by next to nothing, as it can with POISSON. So the
// formula only guesses; what is returned is the least nanosecond from which on, half of one added, rampArea reaches y; and
// rampArea never goes back, because a product of positive factors that grow does not.
func (s *stage) ramp(y float64) time.Duration {
	if y == 0 {
		return 0
	}
	root := math.Sqrt(float64(s.slow*s.slow) + float64(2*s.slope*y))
	t := s.nanos(2 * y / (s.slow + root) * 1e9)
	switch {
	case t > 0 && s.rampArea(float64(t)-0.5) >= y:
		t--
	case t < s.length && s.rampArea(float64(t)+0.5) < y:
		t++
	}
	return t
}

// rampArea is the integral over the first so many nanoseconds from the slower end of a ramp.
func (s *stage) rampArea(nanos float64) float64 {
	t := nanos / 1e9
	return t * (s.slow + float64(s.slope/2*t))
}

// nanos rounds to a time within the stage.
func (s *stage) nanos(t float64) time.Duration {
	if t < float64(s.length) { // not if it is not a number
		return time.Duration(math.Round(t))
	}
	return s.length
}

// integral is the integral of the rate over the first t of the stage, about.
func (s *stage) integral(t time.Duration) float64 {
	switch {
	case s.rate == s.endRate:
		return s.rate * t.Seconds()
	case s.rate < s.endRate:
		return s.rampArea(float64(t))
	default:
		return s.rampArea(float64(s.length)) - s.rampArea(float64(s.length-t))
	}
}

// rateAt is the rate at t from the stage's start.
func (s *stage) rateAt(t time.Duration) float64 {
	if s.rate == s.endRate {
		return s.rate
	}
	part := float64(t) / float64(s.length)
	return float64(s.rate*(1-part)) + float64(s.endRate*part)
}
