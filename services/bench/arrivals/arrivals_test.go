package arrivals

import (
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made is n arrivals at a rate, each put off by delay(i).
func made(n int, rate float64, delay func(int) time.Duration) []time.Time {
	start := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	at := make([]time.Time, n)
	for i := range at {
		at[i] = start.Add(grid(i, rate) + delay(i))
	}
	return at
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	poisson := make([]time.Duration, 20_000)
	var at float64
	for i := range poisson {
		at += random.ExpFloat64() / 5000
		poisson[i] = time.Duration(at*1e9) - grid(i, 5000)
	}
	tests := []struct {
		name                       string
		rate                       float64
		delay                      func(int) time.Duration
		wantP50, wantP99, wantMost time.Duration
		dispersion                 float64
	}{
		{"perfect", 5000, func(int) time.Duration { return 0 }, 0, 0, 0, 0},
		{"perfect, and slower than the windows", 500, func(int) time.Duration { return 0 }, 0, 0, 0, 0.5},
		{"a constant delay", 2000, func(int) time.Duration { return time.Second }, 0, 0, 0, 0},
		{"every other one late", 5000, func(i int) time.Duration {
			return time.Duration(i%2) * 50 * time.Microsecond
		}, 50 * time.Microsecond, 50 * time.Microsecond, 50 * time.Microsecond, 0},
		{"one in fifty late by far", 2000, func(i int) time.Duration {
			if i%50 == 49 {
				return 400 * time.Microsecond
			}
			return 0
		}, 0, 400 * time.Microsecond, 400 * time.Microsecond, 0.02},
		{"in bursts of ten", 5000, func(i int) time.Duration { return grid(9-i%10, 5000) }, 600 * time.Microsecond, 1000 * time.Microsecond, 1000 * time.Microsecond, 5},
		{"poisson", 5000, func(i int) time.Duration { return poisson[i] }, -1, -1, -1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arrivals := made(20_000, tt.rate, tt.delay)
			rand.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
			got := Measure(arrivals, tt.rate)
			if got.Count != 20_000 {
				t.Errorf("Count = %d, want 20000", got.Count)
			}
			near := func(what string, got, want time.Duration) {
				if want >= 0 && (got-want).Abs() > time.Microsecond {
					t.Errorf("%s = %v, want %v", what, got, want)
				}
			}
			near("OffP50", got.OffP50, tt.wantP50)
			near("OffP99", got.OffP99, tt.wantP99)
			near("OffMax", got.OffMax, tt.wantMost)
			if math.Abs(got.Dispersion-tt.dispersion) > 0.03 {
				t.Errorf("Dispersion = %.3f, want %.3f", got.Dispersion, tt.dispersion)
			}
		})
	}
}

func TestQuantileIsOfItsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "values")
		before := slices.Clone(values)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got := Quantile(values, q)
		below := 0
		for _, v := range values {
			if v <= got {
				below++
			}
		}
		if float64(below) < q*float64(len(values)) || !slices.Contains(values, got) {
			t.Fatalf("Quantile(%v, %v) = %v, which %d do not exceed", values, q, got, below)
		}
		if !slices.Equal(values, before) {
			t.Fatal("the values were moved")
		}
	})
}

func TestMeasureOfFew(t *testing.T) {
	t.Parallel()
	if got := Measure(nil, 100); got != (Precision{}) {
		t.Errorf("Measure of none = %v", got)
	}
	if got, want := Measure([]time.Time{time.Now()}, 100), (Precision{Count: 1}); got.Count != 1 || got.OffMax != 0 {
		t.Errorf("Measure of one = %v, want %v", got, want)
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	target, err := StartTarget()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	before := time.Now()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 25 {
				response, err := client.Get(target.URL())
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if string(body) != "The count is: 1\n" || err != nil {
					t.Errorf("answer %q, %v", body, err)
				}
			}
		})
	}
	group.Wait()
	after := time.Now()
	arrivals := target.Close()
	transport.CloseIdleConnections()
	if len(arrivals) != 100 {
		t.Errorf("%d arrivals, want 100", len(arrivals))
	}
	first, last := slices.MinFunc(arrivals, time.Time.Compare), slices.MaxFunc(arrivals, time.Time.Compare)
	if first.Before(before.Round(0)) || last.After(after.Round(0)) {
		t.Errorf("arrivals from %v to %v, want within %v to %v", first, last, before, after)
	}
}
