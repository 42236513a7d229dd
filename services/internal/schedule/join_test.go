package schedule

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// list is the slots of a grant with an end, in its order.
func list(g Grant) (slots []int64) {
	for i := range g.Count {
		slots = append(slots, Grants{g}.Slot(i))
	}
	return slots
}

// isProgression reports whether slots go up by the same step.
func isProgression(slots []int64) bool {
	for i := 1; i < len(slots); i++ {
		if step := slots[i] - slots[i-1]; step < 1 || step != slots[1]-slots[0] {
			return false
		}
	}
	return true
}

// Two grants join exactly if the slots of both, one after the other, are one progression; and then these are the joined one's.
func TestJoinAgreesWithListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Grant {
			return Grant{
				First:  rapid.Int64Range(0, 12).Draw(t, label+".first"),
				Stride: rapid.Int64Range(1, 4).Draw(t, label+".stride"),
				Count:  rapid.Int64Range(1, 4).Draw(t, label+".count"),
			}
		}
		a, b := draw("a"), draw("b")
		if rapid.Bool().Draw(t, "b follows a") {
			b.First = a.Last() + a.Stride
		}
		both := append(list(a), list(b)...)
		joined, ok := a.Join(b)
		if ok != isProgression(both) {
			t.Fatalf("%+v.Join(%+v) = %+v, %v, want %v", a, b, joined, ok, isProgression(both))
		}
		if ok && (!slices.Equal(list(joined), both) || joined.Last() != b.Last()) {
			t.Fatalf("%+v.Join(%+v) = %v, want %v", a, b, list(joined), both)
		}
	})
}

// A grant that is cut anywhere is its two parts, and these join again.
func TestRestIsWhatFollows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawGrant(t, "g")
		g.Count = max(g.Count, 1)
		n := rapid.Int64Range(0, g.Count).Draw(t, "n")
		rest := g.Rest(n)
		if got, want := list(rest), list(g)[n:]; !slices.Equal(got, want) {
			t.Fatalf("%+v.Rest(%d) = %v, want %v", g, n, got, want)
		}
		first := g
		first.Count = n
		if n == 0 || n == g.Count {
			return
		}
		joined, ok := first.Join(rest)
		if !ok || !slices.Equal(list(joined), list(g)) {
			t.Fatalf("%+v.Join(%+v) = %+v, %v, want %+v", first, rest, joined, ok, g)
		}
	})
}

func TestRestWithoutEnd(t *testing.T) {
	t.Parallel()
	if got, want := (Grant{First: 5, Stride: 3}).Rest(4), (Grant{First: 17, Stride: 3}); got != want {
		t.Errorf("Rest(4) = %+v, want %+v", got, want)
	}
}
