package schedule

import (
	"math/bits"
	"sync/atomic"
)

// block is 1,024 points of a Poisson process. It is safe for concurrent use.
//
// A point alone takes a walk down a tree, some 100 ns; all of them together as long as 30 or 40 alone. One worker asks for
// all, one of a thousand for one. So the first are made alone, and all when that many have been asked for: that is never
// more than twice the work of who knows beforehand.
type block struct {
	number int64
	key    uint64
	start  int64  // in units of length
	length uint64 // in units of length

	asked atomic.Int32
	all   atomic.Pointer[[blockSlots - 1]uint64] // parts of the length, in 2^-64
}

// aloneAtMost is how many points of a block are made alone.
const aloneAtMost = 32

// place is where the block's k-th point is, in units of length from the process's start.
func (b *block) place(k int) int64 {
	if k == blockSlots-1 {
		return b.start + int64(b.length)
	}
	within, _ := bits.Mul64(b.length, b.part(k))
	return b.start + int64(within)
}

func (b *block) part(k int) uint64 {
	if all := b.all.Load(); all != nil {
		return all[k]
	}
	if b.asked.Add(1) == aloneAtMost {
		all := new([blockSlots - 1]uint64)
		sortedNumbers(b.key, root, all[:])
		b.all.Store(all)
	}
	return orderStatistic(b.key, k, blockSlots-1)
}

// interval is a node of the binary tree of intervals within 2^64: the root is all, the children of one are its halves.
//
// A key fixes n random numbers through it, sorted: of those in an interval, the ones in its lower half are as many as heads
// among as many coins (the numbers' next bit), which are the ones among as many random bits; a number that is alone is
// anywhere in its interval.
type interval struct {
	node uint64 // 1, its children 2 and 3, …
	low  uint64
	half uint64 // half its length, a power of two
}

var root = interval{node: 1, half: 1 << 63}

// halves are the interval's children.
func (v interval) halves() (lower, upper interval) {
	lower = interval{2 * v.node, v.low, v.half / 2}
	upper = interval{2*v.node + 1, v.low | v.half, v.half / 2}
	return lower, upper
}

// splits reports whether n numbers in the interval are told apart further. Those that are in one of 2^-48 are one: that is
// beyond a unit of length.
func (v interval) splits(n int) bool { return n > 1 && v.half >= 1<<16 }

const (
	// maxNumbers is how many numbers there may be.
	maxNumbers = blockSlots
	// nodeWords is the length of a node's own piece of the key's sequence: a bit for each number.
	nodeWords = maxNumbers / 64
)

// inLower is how many of n numbers are in the lower half: a Binomial(n, 1/2) variate.
func (v interval) inLower(key uint64, n int) int {
	first := v.node * nodeWords
	ones := 0
	for ; n > 64; n -= 64 {
		ones += bits.OnesCount64(word(key, first))
		first++
	}
	return ones + bits.OnesCount64(word(key, first)<<(64-n))
}

// number is the number in an interval that does not split.
func (v interval) number(key uint64) uint64 {
	return v.low | word(key, v.node*nodeWords)&(2*v.half-1)
}

// orderStatistic is the k-th least of n random numbers, without the others.
func orderStatistic(key uint64, k, n int) uint64 {
	v := root
	for v.splits(n) {
		lower, upper := v.halves()
		if below := v.inLower(key, n); k < below {
			v, n = lower, below
		} else {
			v, k, n = upper, k-below, n-below
		}
	}
	return v.number(key)
}

// sortedNumbers is all random numbers of an interval, least first.
func sortedNumbers(key uint64, v interval, numbers []uint64) {
	if !v.splits(len(numbers)) {
		for i := range numbers {
			numbers[i] = v.number(key)
		}
		return
	}
	lower, upper := v.halves()
	below := v.inLower(key, len(numbers))
	sortedNumbers(key, lower, numbers[:below])
	sortedNumbers(key, upper, numbers[below:])
}
