package egress

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// So many connections are begun at once; the next one is let in when one is open, or has taken its time.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d Dialer
		enter := func() func() {
			t.Helper()
			leave, err := d.Enter(t.Context())
			if err != nil {
				t.Fatalf("Enter() = %v, want a place", err)
			}
			return leave
		}
		begun := time.Now()
		first := enter()
		for range atOnce - 2 {
			enter()
		}
		if d.IsCrowded() {
			t.Errorf("IsCrowded() with %d of %d places taken", atOnce-1, atOnce)
		}
		enter()
		if !d.IsCrowded() {
			t.Error("IsCrowded() = false with all places taken")
		}
		ctx, cancel := context.WithTimeout(t.Context(), slice/2)
		defer cancel()
		if _, err := d.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Enter() without a place in time = %v, want the context's error", err)
		}
		first()
		first() // leaving twice gives one place back
		enter()
		if took := time.Since(begun); took != slice/2 {
			t.Errorf("Enter() after one had left waited until %v, want %v", took, slice/2)
		}
		enter()
		if took := time.Since(begun); took != slice {
			t.Errorf("Enter() waited until %v, want %v: the others have had their time", took, slice)
		}
		time.Sleep(slice)
		synctest.Wait()
		if n := len(d.places()); n != 0 {
			t.Errorf("%d places are taken when all have had their time, want none", n)
		}
	})
}
