package batch

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// The older of two listeners is told that it was replaced, and the newer one has everything from then on.
func TestListenerIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		first := l.attach(t)
		second := l.attach(t)
		first.wantServed(t, true, ErrReplaced)
		first.wantGot(t, "st", 1, 2)
		l.put(response(0))
		time.Sleep(50 * ms)
		synctest.Wait()
		second.wantGot(t, "sto", 3, 4, 5)
		l.finish()
		synctest.Wait()
		second.wantGot(t, "stof", 3, 4, 5, 6)
	})
}

// Of callers that attach one after the other the one with the highest epoch keeps the stream.
func TestEpochsOfListeners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		first := l.attachAs(t, 2)
		lower := l.attachAs(t, 1)
		lower.wantServed(t, true, ErrReplaced)
		lower.wantGot(t, "")
		first.wantGot(t, "st", 1, 2)
		higher := l.attachAs(t, 3)
		first.wantServed(t, true, ErrReplaced)
		higher.wantGot(t, "st", 3, 4)
		l.finish()
		synctest.Wait()
		higher.wantGot(t, "stf", 3, 4, 5)
	})
}

// A higher epoch that renews the lease ends the stream of a lower one, which hears nothing that comes after; nor does it come back.
func TestFencedListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		first := l.attachAs(t, 1)
		l.outlet.Fence(1)
		l.put(response(0))
		time.Sleep(50 * ms)
		synctest.Wait()
		first.wantGot(t, "sto", 1, 2, 3)
		l.put(response(0))
		l.outlet.Fence(2)
		time.Sleep(50 * ms)
		synctest.Wait()
		first.wantServed(t, true, ErrReplaced)
		first.wantGot(t, "sto", 1, 2, 3)
		lower := l.attachAs(t, 1)
		lower.wantServed(t, true, ErrReplaced)
		second := l.attachAs(t, 2)
		l.outlet.Fence(2)
		l.outlet.Fence(1)
		l.finish()
		synctest.Wait()
		second.wantGot(t, "stf", 5, 6, 7)
	})
}

// A listener that was replaced before the batcher saw it does not take the stream from the newer one.
func TestListenerThatComesTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		second := l.attach(t)
		first := &Listener{messages: make(chan *fanoutv1.FanOutResponse), sent: make(chan error, 1), gone: make(chan struct{})}
		first.end()
		l.outlet.attach <- first
		l.put(response(0))
		time.Sleep(50 * ms)
		synctest.Wait()
		second.wantGot(t, "sto", 1, 2, 3)
		l.finish()
		synctest.Wait()
		second.wantGot(t, "stof", 1, 2, 3, 4)
	})
}

// Of many that come at once, while the batcher waits for one that is stuck, one stays, and gets all that follows.
func TestListenersThatComeTogether(t *testing.T) {
	t.Parallel()
	for range 50 { // which of them is attached first is chance
		synctest.Test(t, func(t *testing.T) {
			l := begun()
			l.attach(t).stuck.Store(true)
			l.put(response(0))
			time.Sleep(50 * ms)
			synctest.Wait()
			var all []*listener
			for range 4 {
				all = append(all, l.come(0, nil))
			}
			synctest.Wait()
			left := 0
			for _, s := range all {
				if s.goesOn() {
					left++
				}
			}
			l.finish()
			synctest.Wait()
			finals := 0
			for _, s := range all {
				if s.goesOn() {
					t.Errorf("a listener that got %q is attached after the end, want none", s.kinds())
				}
				if strings.HasSuffix(s.kinds(), "f") {
					finals++
				}
			}
			if left != 1 || finals != 1 {
				t.Errorf("%d listeners stayed and %d got the final message, want 1", left, finals)
			}
			l.leaveAll()
		})
	}
}

// A listener whose stream stands still for ever holds up nobody who comes after it. What it had under way is lost, and counted.
func TestListenerThatIsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		first := l.attach(t)
		first.stuck.Store(true)
		l.put(response(0))
		time.Sleep(300 * ms)
		l.put(response(0))
		synctest.Wait()
		first.wantGot(t, "st", 1, 2)
		second := l.attach(t)
		time.Sleep(pause)
		synctest.Wait()
		second.wantGot(t, "st", 4, 5)
		if got := second.got()[1].GetTally(); got.GetRecordsCount() != 1 || got.GetFoldedCount() != 1 || got.GetCounts().GetResponses() != 2 {
			t.Errorf("tally = %v, want 1 record, which was under way, and 1 folded", got)
		}
		time.Sleep(100 * ms)
		l.put(response(0))
		synctest.Wait()
		second.wantGot(t, "sto", 4, 5, 6)
		l.finish()
		l.leaveAll()
		first.wantServed(t, true, context.Canceled)
		first.wantGot(t, "st", 1, 2)
		second.wantGot(t, "stof", 4, 5, 6, 7)
	})
}
