package split

import (
	"math"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Window divides the slots from … to-1 over m shares: share k has those ≡ k (mod m). A share may be nothing, which is Count 0.
func Window(from, to int64, m int) []schedule.Grant {
	shares := make([]schedule.Grant, m)
	stride := int64(m)
	for k := range shares {
		begin := from + ((int64(k)-from)%stride+stride)%stride
		if begin < to {
			shares[k] = schedule.Grant{First: begin, Stride: stride, Count: (to-1-begin)/stride + 1}
		}
	}
	return shares
}

// Need says how much a shard of a closed loop uses.
type Need struct {
	Rate        float64 // slots per second; 0: not known yet
	Known       bool    // Rate is
	Unclaimed   int64   // slots that it has in hand
	Concurrency int64
}

const (
	// horizon is for how many seconds beyond its lease a shard is granted slots: until the next renewal.
	horizon = 1
	// first is how many slots a shard has in hand for each of its senders as long as its rate is not known: with 1 ms each they last
	// until it can be renewed again.
	first = 100
)

// target is how many slots a shard should have in hand. One that is slow has few, so that at the end nobody waits for it long.
func (n Need) target(leaseSeconds float64) int64 {
	if !n.Known {
		return first * n.Concurrency
	}
	return max(int64(n.Rate*(leaseSeconds+horizon)), n.Concurrency)
}

// Consecutive is how many slots each shard of a closed loop is granted now, of so many that are left. Where those are less than all
// shards need, each gets its part of them.
func Consecutive(needs []Need, leaseSeconds float64, left int64) []int64 {
	wants := make([]int64, len(needs))
	var sum float64
	for k, n := range needs {
		wants[k] = max(n.target(leaseSeconds)-n.Unclaimed, 0)
		sum += float64(wants[k])
	}
	shares := make([]int64, len(needs))
	all := float64(left)
	for k, want := range wants {
		share := want
		if sum > all {
			share = min(int64(math.Ceil(float64(want)/sum*all)), want)
		}
		shares[k] = min(share, left)
		left -= shares[k]
	}
	return shares
}

// Share is part k of total in n parts that differ by one at most.
func Share(total, k, n int64) int64 {
	if k < total%n {
		return total/n + 1
	}
	return total / n
}
