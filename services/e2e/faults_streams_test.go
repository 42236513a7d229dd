//go:build unix

package e2e

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// The connections between the coordinator and its workers break again and again; the counts are exact, for outcomes that come one
// by one, and for tallies alone.
func TestFaultBrokenStreams(t *testing.T) {
	t.Parallel()
	for _, detail := range size([]string{"every"}, []string{"every", "tally-only"}) {
		t.Run(detail, func(t *testing.T) {
			t.Parallel()
			workers, perSecond, seconds := size(2, 4), size[int64](500, 1000), size[int64](6, 30)
			least, most := time.Duration(size(100, 500))*time.Millisecond, time.Duration(size(400, 2000))*time.Millisecond
			j := newJudge(t, target.OracleConfig{})
			var proxies []*proxy
			c := newCluster(t, workers, func(address string) string {
				p := newProxy(t, address)
				proxies = append(proxies, p)
				return p.address()
			})
			run := c.begin(t, rate(perSecond, seconds, "--detail", detail, j.URL()+"/delay/5ms")...)
			j.await(t, 1)
			done := make(chan struct{})
			var breaking sync.WaitGroup
			chance := dice(t)
			for _, p := range proxies {
				own := rand.New(rand.NewPCG(chance.Uint64(), chance.Uint64()))
				breaking.Go(func() { p.breakUntil(done, own, least, most) })
			}
			j.await(t, perSecond*seconds)
			close(done)
			breaking.Wait()
			r, code := run.end(t, time.Minute)
			if code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			r.exact(t, perSecond*seconds)
			j.hold(t, r)
			breaks := int64(0)
			for _, p := range proxies {
				breaks += p.breaks.Load()
			}
			if breaks < size[int64](15, 30) {
				t.Errorf("%d breaks, want more", breaks)
			}
			c.isCalm(t)
		})
	}
}
