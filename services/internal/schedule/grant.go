package schedule

import (
	"fmt"
	"math/big"
)

// Grant is slots that a worker may start: First, First + Stride, … Count of them; Count 0 is without end.
type Grant struct{ First, Stride, Count int64 }

// Grants is the slots of a shard, in the order in which they are claimed. Only the last grant may be without end.
type Grants []Grant

// Whole is the grant of all n slots, n = Unbounded included.
func Whole(n int64) Grants {
	if n == Unbounded {
		return Grants{{First: 0, Stride: 1}}
	}
	return Grants{{First: 0, Stride: 1, Count: n}}
}

// Len is the number of slots granted, or Unbounded.
func (gs Grants) Len() int64 {
	var n int64
	for _, g := range gs {
		if g.Count == 0 {
			return Unbounded
		}
		n += g.Count
	}
	return n
}

// Slot is the slot with the given ordinal, 0 … Len()-1.
func (gs Grants) Slot(ordinal int64) int64 {
	for _, g := range gs {
		if g.Count == 0 || ordinal < g.Count {
			return g.First + ordinal*g.Stride
		}
		ordinal -= g.Count
	}
	panic(fmt.Sprintf("schedule: no slot with ordinal %d beyond the grants", ordinal))
}

// Last is the grant's greatest slot. The grant has an end.
func (g Grant) Last() int64 { return g.First + (g.Count-1)*g.Stride }

// Join is g followed by o as one grant, if the slots of both are one progression. Both have an end.
func (g Grant) Join(o Grant) (Grant, bool) {
	stride := o.First - g.Last()
	if stride < 1 || g.Count > 1 && stride != g.Stride || o.Count > 1 && stride != o.Stride {
		return Grant{}, false
	}
	return Grant{First: g.First, Stride: stride, Count: g.Count + o.Count}, true
}

// Rest is g without its first n slots, 0 … Count of them.
func (g Grant) Rest(n int64) Grant {
	g.First += n * g.Stride
	if g.Count > 0 {
		g.Count -= n
	}
	return g
}

// Overlaps reports whether some slot is in both grants: whether the two progressions meet, by the Chinese remainder
// theorem, before either of them ends.
func (g Grant) Overlaps(o Grant) bool {
	d, x, _ := gcd(g.Stride, o.Stride)
	gap := o.First - g.First
	if gap%d != 0 {
		return false
	}
	// g.First + k·g.Stride meets o's progression for k ≡ gap/d · x (mod o.Stride/d).
	period := o.Stride / d
	k := mulmod(gap/d, x, period)
	if low := ceilDiv(gap, g.Stride); k < low { // not before o begins
		k += ceilDiv(low-k, period) * period
	}
	if g.Count > 0 && k >= g.Count || k > beyondSlots/g.Stride {
		return false
	}
	return o.Count == 0 || (k*g.Stride-gap)/o.Stride < o.Count
}

// gcd is Euclid's extended algorithm: d = a·x + b·y for a, b > 0.
func gcd(a, b int64) (d, x, y int64) {
	if b == 0 {
		return a, 1, 0
	}
	d, x, y = gcd(b, a%b)
	return d, y, x - a/b*y
}

func ceilDiv(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a + b - 1) / b
}

// beyondSlots is a slot that no run reaches (10^10 is the cap), small enough that sums with it do not overflow.
const beyondSlots = 1 << 61

// mulmod is a·b mod m in 0 … m-1, without overflow: slots and strides reach 10^10, their products pass 64 bits.
func mulmod(a, b, m int64) int64 {
	product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	return product.Mod(product, big.NewInt(m)).Int64()
}
