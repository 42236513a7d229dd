package model

import (
	"testing"

	"pgregory.net/rapid"
)

// A model that finds nothing may be blind. Each of these mistakes makes slots go out twice, and the target's ledger has to show it within
// so many cases. They are drawn from fixed seeds; in most of them the mistake has no occasion to do harm.
func TestWeaknessesAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		weak  weakness
		kinds []string // of what befalls, by turns
		most  int
	}{
		{"an attach that opens again", attachCreates, []string{killWorker}, 300},
		{"a grant that is sent before it is stored", commitLate, []string{killWorker, killBrain}, 1000},
		{"a granted slot that moves", grantsMove, []string{cutWorker}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := range tt.most {
				shape := shapes()[n%len(shapes())]
				s := rapid.Custom(func(t *rapid.T) *scenario { return draw(t, shape) }).Example(n + 1)
				for i := range s.events {
					s.events[i].kind = tt.kinds[i%len(tt.kinds)]
				}
				if e := simulate(t, s, tt.weak); e.twice() {
					t.Logf("found in case %d: %v", n+1, e.wrongs)
					return
				}
			}
			t.Errorf("%d cases, and the target saw no slot twice", tt.most)
		})
	}
}
