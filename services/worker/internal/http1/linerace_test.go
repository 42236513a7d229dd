package http1

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// While a sender reads, the goroutine that writes the rest of its request may move the deadline, and the call may end: the
// first of what is due ends the read, exactly then.
func TestDeadlinesThatMoveWhileALineIsRead(t *testing.T) {
	t.Parallel()
	const seed = 8
	random := rand.New(rand.NewPCG(seed, seed))
	for range 500 {
		// No two are the same: an odd one out of each thousand.
		old, first := draw(random, 0), draw(random, 1)
		moved, second, cut := draw(random, 2), draw(random, 3), draw(random, 4)
		want := first
		if moved < want {
			want = max(second, moved)
		}
		want = min(want, cut)
		synctest.Test(t, func(t *testing.T) {
			l, _ := pipedLine(t)
			ctx, cancel := context.WithCancel(t.Context())
			l.watch(ctx)
			zero := time.Since(epoch)
			l.until(zero + old) // of an exchange before
			l.until(zero + first)
			mover := time.AfterFunc(moved, func() { l.until(zero + second) })
			cutter := time.AfterFunc(cut, cancel)
			_, err := l.Read(make([]byte, 1))
			if took := time.Since(epoch) - zero; !errors.Is(err, os.ErrDeadlineExceeded) || took != want {
				t.Errorf("due at %v, moved at %v to %v, cut at %v: it ended after %v with %v, want %v", first, moved, second, cut, took, err, want)
			}
			mover.Stop()
			cutter.Stop()
			cancel()
		})
	}
}

func draw(random *rand.Rand, kind int) time.Duration {
	return time.Duration(1+random.IntN(10))*time.Second + time.Duration(kind)*time.Millisecond
}
