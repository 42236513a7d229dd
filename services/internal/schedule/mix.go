package schedule

import (
	"math/bits"
	"sort"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// mix gives each slot one of the plan's requests.
//
// Slots come in blocks as long as all weights together. Within a block each request has as many slots as its weight says,
// so that the mix is exact per block over all workers together; where they stand is a permutation that differs from block
// to block. Without it, shard k of n, which holds the slots ≡ k (mod n), would be sent the same few requests whenever n
// and the block's length have a common divisor. The permutation depends on the block's number and length alone, so
// workers need not agree on anything.
type mix struct {
	once  bool    // each request once, in order
	block int64   // slots in a block
	ends  []int64 // ends[r]: where request r's part of the unpermuted block ends
}

func newMix(p *plan.Plan) mix {
	m := mix{once: p.Load.Once(), ends: make([]int64, len(p.Requests))}
	for r, request := range p.Requests {
		m.block += int64(request.Weight)
		m.ends[r] = m.block
	}
	return m
}

func (m *mix) request(slot int64) int {
	if m.once {
		return int(slot)
	}
	if len(m.ends) == 1 {
		return 0
	}
	at := permute(slot%m.block, m.block, uint64(slot/m.block))
	return sort.Search(len(m.ends), func(r int) bool { return m.ends[r] > at })
}

// permute maps 0 … n-1 onto itself, another way for each seed: a Feistel network of four rounds over the least square
// power of two that holds n, walked along its cycle until it falls below n again (Black and Rogaway, "Ciphers with
// arbitrary finite domains", 2002). The domain is less than four times n, so it takes four steps at most on average.
func permute(i, n int64, seed uint64) int64 {
	half := uint(bits.Len64(uint64(n-1))+1) / 2
	mask := uint64(1)<<half - 1
	x := uint64(i)
	for {
		left, right := x>>half, x&mask
		for round := range uint64(4) {
			left, right = right, left^(scramble(right, seed, round)&mask)
		}
		if x = left<<half | right; x < uint64(n) {
			return int64(x)
		}
	}
}

// scramble is the round function: SplitMix64's finalizer over its three inputs.
func scramble(x, seed, round uint64) uint64 {
	return splitMix(x + seed*goldenGamma + (round+1)*0xd1b54a32d192ed03)
}
