//go:build unix

package e2e

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// The tests of this package that are called TestFault… inject one fault each, and hold the run's report against the oracle's ledger.
// README.md says which fault is where. Short versions of some run always; all of them run, full, with FANOUT_FAULTS=full.
//
// Chance comes from a seed, which a failure prints: FANOUT_FAULTS_SEED=N repeats it.

// isFull reports whether the full tests are asked for.
func isFull() bool { return os.Getenv("FANOUT_FAULTS") == "full" }

// full skips a test that takes too long for every day.
func full(t *testing.T) {
	t.Helper()
	if !isFull() {
		t.Skip("takes long; FANOUT_FAULTS=full runs it")
	}
}

// size is the full or the short number.
func size[N any](short, whole N) N {
	if isFull() {
		return whole
	}
	return short
}

// dice is the test's chance.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("FANOUT_FAULTS_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("FANOUT_FAULTS_SEED: %v", err)
		}
		seed = n
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	name := fnv.New64a()
	_, _ = name.Write([]byte(t.Name())) // never fails
	return rand.New(rand.NewPCG(seed, name.Sum64()))
}
