package model

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// dice is a seeded source of chance for one part of a world. It is safe for concurrent use.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

// newDice makes the dice of the part with the name.
func newDice(seed uint64, name string) *dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return &dice{random: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (d *dice) roll() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.Float64()
}

func (d *dice) chance(p float64) bool { return p > 0 && d.roll() < p }

// span is a time between the two, both included.
func (d *dice) span(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(d.roll()*float64(most-least))
}

// wait is a time that is exponential with the mean: most are short, some are long.
func (d *dice) wait(mean time.Duration) time.Duration {
	return time.Duration(-math.Log(1-d.roll()) * float64(mean))
}
