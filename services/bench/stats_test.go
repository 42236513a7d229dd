package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestSpreadIsOfItsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "values")
		before := slices.Clone(values)
		s := spreadOf(values)
		if s.least > s.median || s.median > s.most || s.least != slices.Min(values) || s.most != slices.Max(values) {
			t.Fatalf("spreadOf(%v) = %v", values, s)
		}
		if !slices.Equal(values, before) {
			t.Fatal("the values were moved")
		}
	})
}

func TestRatios(t *testing.T) {
	t.Parallel()
	got := ratios([]time.Duration{10, 30, 5}, []time.Duration{20, 20})
	if !slices.Equal(got, []float64{0.5, 1.5}) {
		t.Errorf("ratios = %v, want those of the rounds that both have", got)
	}
}

func TestMiddleHalf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values    []float64
		low, high float64
	}{
		{[]float64{3}, 3, 3},
		{[]float64{2, 1}, 1, 2},
		{[]float64{9, 1, 8, 2, 7, 3, 6, 4, 5}, 3, 7},
	} {
		if low, high := middleHalf(tt.values); low != tt.low || high != tt.high {
			t.Errorf("middleHalf(%v) = %v, %v, want %v, %v", tt.values, low, high, tt.low, tt.high)
		}
	}
}

// The bounds of a median are ranks, which are in the tables of books on the sign test.
func TestMedianWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n         int
		low, high float64
		sure      float64
	}{{1, 1, 1, 0}, {3, 1, 3, 0.75}, {6, 1, 6, 0.96875}, {12, 3, 10, 0.9614}, {20, 6, 15, 0.9586}, {40, 14, 27, 0.9615}} {
		var values []float64
		for i := tt.n; i > 0; i-- {
			values = append(values, float64(i))
		}
		if low, high, sure := medianWithin(values); low != tt.low || high != tt.high || math.Abs(sure-tt.sure) > 1e-4 {
			t.Errorf("medianWithin of 1 to %d = %v, %v, %.4f, want %v, %v, %v", tt.n, low, high, sure, tt.low, tt.high, tt.sure)
		}
	}
}

func TestSlope(t *testing.T) {
	t.Parallel()
	if got, ok := slope([]float64{1, 2, 4}, []float64{3, 5, 9}); !ok || math.Abs(got-2) > 1e-12 {
		t.Errorf("slope of a line = %v, %v, want 2", got, ok)
	}
	for _, xs := range [][]float64{nil, {1}, {2, 2}} {
		if _, ok := slope(xs, xs); ok {
			t.Errorf("slope over %v is known", xs)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := &table{columns: []string{"name", "µs"}}
	table.row("wrk", "12.50")
	table.row("a | b")
	want := strings.Join([]string{
		`| name   |    µs |`,
		`|--------|------:|`,
		`| wrk    | 12.50 |`,
		`| a \| b |       |`,
		``,
	}, "\n")
	if got := table.String(); got != want {
		t.Errorf("String() =\n%s\nwant\n%s", got, want)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1,000"},
		{count(-1234567), "-1,234,567"},
		{count(-123), "-123"},
		{micros(12345 * time.Nanosecond), "12.35"},
		{millis(time.Second), "1000.000"},
		{mebibytes(3 << 19), "1.5"},
		{rounds(1), "1 round"},
		{between(spread{1, 0.5, 2}, ratio), "0.500 – 2.000"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestSection(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	l.others = []peer{{name: "wrk", path: "/usr/bin/wrk"}}
	l.table("a").row("1")
	l.say("Said %d.", 2)
	l.skip("k6", "not installed")
	l.ran("taskset -c 1 /usr/bin/wrk http://127.0.0.1:4711/")
	l.ran("taskset -c 1 /usr/bin/wrk http://127.0.0.1:4712/")
	l.ran(l.fanout + " run " + l.dir + "/x")
	l.ran("coordinator --workers 127.0.0.1:1,127.0.0.1:2 --store " + l.dir + "/store-12/coordinator.db")
	l.ran("coordinator --workers 127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4")
	want := `
## Title (name)

Goal: fast.

| a |
|---|
| 1 |

Said 2.

Skipped: k6 (not installed).

` + "```" + `
taskset -c 1 wrk http://127.0.0.1:PORT/
fanout run $DIR/x
coordinator --workers 127.0.0.1:PORT,127.0.0.1:PORT --store $DIR/store-N/coordinator.db
coordinator --workers 127.0.0.1:PORT,…
` + "```\n"
	got := l.section(part{name: "name", title: "Title", goal: "fast"})
	if got != want {
		t.Errorf("section =\n%s\nwant\n%s", got, want)
	}
}
