package schedule

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// poisson is a Poisson process of one point per unit: at(i) is its i-th point, a pure function of seed and i.
//
// A point is reached from above, so that no other has to be made for it and errors have nothing to add up in. Points come in
// blocks of 1,024, blocks in segments of 1,024.
//
//   - A segment's length is a Gamma(2^20) variate, which is what 2^20 exponential distances add up to.
//   - Within it the blocks' lengths have the proportions of 1,024 Gamma(1024) variates. Proportions and sum of such variates
//     are independent, so each block's length is Gamma(1024) again, and independent of all others.
//   - Within a block of a given length the last point is at its end, and the other 1,023 are where as many uniform variates
//     are, sorted.
//
// (Devroye, "Non-uniform random variate generation", 1986, chapters V.2 and IX.3.) Lengths are integers, in units of 2^-24:
// sums of them are exact, and the same on every machine.
type poisson struct {
	root uint64 // key of the sequence of the segments' keys

	// What was asked for lately, each where its number modulo the length says. Senders go through the slots side by side, so
	// that about once in 2^10 slots a block is missing, and once in 2^20 a segment.
	blocks   [4]atomic.Pointer[block]
	segments [4]atomic.Pointer[segment]

	mu     sync.Mutex
	starts []int64 // where each segment starts, as far as anybody asked; 8 bytes for 2^20 slots; guarded by mu
}

const (
	blockSlots    = 1 << 10
	segmentBlocks = 1 << 10
	segmentSlots  = blockSlots * segmentBlocks

	// unit is 1 in units of length, a mean distance.
	unit = 1 << 24

	// maxPoints bounds the points: at 2^38, which is 27 times the cap on slots, their places are near 2^62.
	maxPoints = 1 << 38
)

// segment is where the blocks of a segment lie.
type segment struct {
	number int64
	key    uint64
	start  int64
	ends   [segmentBlocks + 1]int64 // of its blocks, from its start on; the first is 0, where block 0 starts
}

func newPoisson(seed int64) *poisson { return &poisson{root: splitMix(uint64(seed))} }

// at is point i; false beyond maxPoints. It is safe for concurrent use.
func (p *poisson) at(i int64) (point, bool) {
	if i >= maxPoints {
		return point{}, false
	}
	place := p.block(i / blockSlots).place(int(i % blockSlots))
	return point{whole: place / unit, fraction: float64(place%unit) / unit}, true
}

func (p *poisson) block(number int64) *block {
	slot := &p.blocks[number%int64(len(p.blocks))]
	b := slot.Load()
	if b == nil || b.number != number {
		b = p.segment(number / segmentBlocks).block(number)
		slot.Store(b)
	}
	return b
}

func (p *poisson) segment(number int64) *segment {
	slot := &p.segments[number%int64(len(p.segments))]
	if s := slot.Load(); s != nil && s.number == number {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := slot.Load(); s != nil && s.number == number {
		return s
	}
	s := p.newSegment(number)
	slot.Store(s)
	return s
}

// newSegment lays out a segment. The lock is held.
func (p *poisson) newSegment(number int64) *segment {
	if len(p.starts) == 0 {
		p.starts = append(p.starts, 0)
	}
	for n := int64(len(p.starts)); n <= number+1; n++ {
		p.starts = append(p.starts, p.starts[n-1]+length(word(word(p.root, uint64(n-1)), segmentBlocks), segmentSlots))
	}
	s := &segment{number: number, key: word(p.root, uint64(number)), start: p.starts[number]}
	for b := range uint64(segmentBlocks) {
		s.ends[b+1] = s.ends[b] + length(word(word(s.key, b), 0), blockSlots)
	}
	total := p.starts[number+1] - s.start
	drawn := s.ends[segmentBlocks]
	for b := range s.ends {
		high, low := bits.Mul64(uint64(s.ends[b]), uint64(total))
		quotient, _ := bits.Div64(high, low, uint64(drawn))
		s.ends[b] = int64(quotient)
	}
	return s
}

// block is one of the segment's blocks, by its number in the whole process.
func (s *segment) block(number int64) *block {
	n := number % segmentBlocks
	return &block{
		number: number, key: word(s.key, uint64(n)),
		start: s.start + s.ends[n], length: uint64(s.ends[n+1] - s.ends[n]),
	}
}

// length is the length that so many points take, from the key's sequence.
func length(key uint64, points float64) int64 {
	r := random{key: key}
	return int64(math.Round(r.gamma(points) * unit))
}
