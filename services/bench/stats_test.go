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
` + "```\n"
	got := l.section(part{name: "name", title: "Title", goal: "fast"})
	if got != want {
		t.Errorf("section =\n%s\nwant\n%s", got, want)
	}
}
