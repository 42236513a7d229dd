package schedule

import (
	"testing"

	"pgregory.net/rapid"
)

func drawGrant(t *rapid.T, label string) Grant {
	return Grant{
		First:  rapid.Int64Range(0, 60).Draw(t, label+".first"),
		Stride: rapid.Int64Range(1, 12).Draw(t, label+".stride"),
		Count:  rapid.Int64Range(0, 20).Draw(t, label+".count"),
	}
}

func members(g Grant) map[int64]bool {
	in := map[int64]bool{}
	for k := int64(0); (g.Count == 0 && k < 500) || k < g.Count; k++ {
		in[g.First+k*g.Stride] = true
	}
	return in
}

// Overlaps agrees with listing both grants' slots. (Strides up to 12 and starts up to 60 meet below 60 + 12 × 12 or never.)
func TestOverlapsAgreesWithListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawGrant(t, "a"), drawGrant(t, "b")
		want := false
		for slot := range members(a) {
			want = want || members(b)[slot]
		}
		if got := a.Overlaps(b); got != want {
			t.Fatalf("%+v.Overlaps(%+v) = %v, want %v", a, b, got, want)
		}
		if got := b.Overlaps(a); got != want {
			t.Fatalf("%+v.Overlaps(%+v) = %v, want %v", b, a, got, want)
		}
	})
}

func TestOverlapsOfHugeGrants(t *testing.T) {
	t.Parallel()
	const far = 9_999_999_967 // a prime near the cap
	for _, tt := range []struct {
		name string
		a, b Grant
		want bool
	}{
		{"every slot against one far out", Grant{0, 1, 10_000_000_000}, Grant{far, far, 1}, true},
		{"endless coprime strides meet beyond every run", Grant{0, far, 0}, Grant{1, far - 2, 0}, false},
		{"two shards of two", Grant{0, 2, 5_000_000_000}, Grant{1, 2, 5_000_000_000}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.a.Overlaps(tt.b); got != tt.want {
				t.Errorf("%+v.Overlaps(%+v) = %v, want %v", tt.a, tt.b, got, tt.want)
			}
		})
	}
}

func TestGrantsSlot(t *testing.T) {
	t.Parallel()
	gs := Grants{{First: 5, Stride: 3, Count: 2}, {First: 100, Stride: 10}}
	for ordinal, want := range []int64{5, 8, 100, 110, 120} {
		if got := gs.Slot(int64(ordinal)); got != want {
			t.Errorf("Slot(%d) = %d, want %d", ordinal, got, want)
		}
	}
	if got := gs.Len(); got != Unbounded {
		t.Errorf("Len() = %d, want Unbounded", got)
	}
	if got := gs[:1].Len(); got != 2 {
		t.Errorf("Len() = %d, want 2", got)
	}
	if got := Whole(Unbounded).Len(); got != Unbounded {
		t.Errorf("Whole(Unbounded).Len() = %d, want Unbounded", got)
	}
}
