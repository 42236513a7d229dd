//go:build unix

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// Without a fault every slot has a response, and the target has seen exactly those.
func TestFaultNone(t *testing.T) {
	slots := size[int64](20_000, 1_000_000)
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 4, nil)
	r, _ := c.begin(t, "-n", strconv.FormatInt(slots, 10), "-c", "200", j.URL()+"/ok").end(t, 10*time.Minute)
	r.exact(t, slots)
	j.hold(t, r)
	if n := j.Ledger().Total(); n != slots || len(r.Errors) != 0 {
		t.Errorf("the target saw %d requests, errors %+v, want %d and none", n, r.Errors, slots)
	}
	c.isCalm(t)
}

// The article's loads: all at once, on new connections each, again and again. At 400 it lost requests, at 800 its connections were
// reset; here none is lost.
func TestFaultTheArticle(t *testing.T) {
	for _, slots := range []int64{300, 400, 800, 10_000} {
		if slots > 1000 && !isFull() {
			continue
		}
		j := newJudge(t, target.OracleConfig{})
		c := newCluster(t, 1, nil)
		for round := range size(1, 20) {
			before := j.Connections()
			r, _ := c.begin(t, "-n", strconv.FormatInt(slots, 10), j.URL()+"/delay/100ms").end(t, time.Minute)
			r.exact(t, slots)
			if n := j.Ledger().Slots(r.ID); int64(n) != slots {
				t.Errorf("round %d: the target saw %d slots of %d", round, n, slots)
			}
			if opened := j.Connections() - before; opened != slots {
				t.Errorf("round %d: %d connections for %d slots at once, want one each", round, opened, slots)
			}
		}
		if key, n := j.Ledger().MaxPerSlot(); n != 1 {
			t.Errorf("%s was seen %d times", key, n)
		}
		c.isCalm(t)
	}
}
