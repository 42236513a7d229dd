package lease

import (
	"errors"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// However many renewals come, and whatever they say: what a lease keeps is bounded, and no sum overflows. One that would have too much
// changes nothing, and does not prolong the lease.
func TestALeaseKeepsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	scattered := func(from int64) (all schedule.Grants) { // 1,000 that do not go on from one another
		for i := range int64(1000) {
			all = append(all, schedule.Grant{First: (from + i) * (from + i), Stride: 1, Count: 1})
		}
		return all
	}
	for _, tt := range []struct {
		name string
		next func(granted, changes int64) Renewal
		want string // the field
		most int    // renewals until then
	}{
		{"slots", func(granted, _ int64) Renewal {
			return Renewal{GrantedBefore: granted, Grants: schedule.Grants{{First: 0, Stride: 1, Count: 1 << 58}}}
		}, "grants", 5},
		{"the last slot", func(granted, _ int64) Renewal {
			return Renewal{GrantedBefore: granted, Grants: schedule.Grants{{First: 0, Stride: 1, Count: 1 << 60}}}
		}, "grants", 2},
		{"pieces", func(granted, _ int64) Renewal {
			return Renewal{GrantedBefore: granted, Grants: scattered(granted)}
		}, "grants", 2*maxPieces/1000 + 2}, // two that follow are one progression
		{"changes", func(_, changes int64) Renewal {
			r := Renewal{Start: time.Now(), ChangesBefore: changes}
			for i := range int64(400) {
				r.Changes = append(r.Changes, Change{Offset: time.Hour + time.Duration(changes+i), Concurrency: 1})
			}
			return r
		}, "changes", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := New("lease", 0, time.Hour, growing(), Effects{
				Begin: func(time.Time) {}, Change: func(int64) {}, End: func(error) {},
			})
			defer l.Stop()
			for n := 1; ; n++ {
				before, until := l.Position(), l.until.Load()
				err := l.Renew(tt.next(before.Granted, before.Changes))
				var beyond *BeyondError
				if errors.As(err, &beyond) {
					after := l.Position()
					if beyond.Field != tt.want || after.Granted != before.Granted || after.Changes != before.Changes || l.until.Load() != until {
						t.Errorf("Renew = %v with %+v after %+v, want field %s and no change", err, after, before, tt.want)
					}
					return
				}
				if err != nil || n >= tt.most {
					t.Fatalf("renewal %d = %v, want at most %d before one is refused", n, err, tt.most)
				}
			}
		})
	}
}
