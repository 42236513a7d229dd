package report

import (
	"math"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1_000: "1,000", 12_345: "12,345", 999_999: "999,999", 1_000_000: "1,000,000",
		-5: "-5", -1_234: "-1,234", math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 errors", 1: "1 error", 2: "2 errors", 1_001: "1,001 errors"} {
		if got := Count(n, "error"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                           "0 µs",
		1:                           "1 ns",
		850:                         "850 ns",
		time.Microsecond:            "1 µs",
		1_500:                       "1.50 µs",
		42 * time.Microsecond:       "42 µs",
		99_996:                      "100 µs",
		123_456:                     "123 µs",
		999_499:                     "999 µs",
		999_500:                     "1.00 ms",
		time.Millisecond:            "1.00 ms",
		9_994_999:                   "9.99 ms",
		9_995_000:                   "10.0 ms",
		99_960_000:                  "100 ms",
		999_499_999:                 "999 ms",
		999_500_000:                 "1.00 s",
		12_345 * time.Millisecond:   "12.3 s",
		time.Hour:                   "3,600 s",
		-1_200 * time.Microsecond:   "-1.20 ms",
		100 * time.Hour:             "360,000 s",
		1_234_500 * time.Nanosecond: "1.23 ms",
	} {
		if got := latency(d); got != want {
			t.Errorf("latency(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		12_345 * time.Microsecond:            "12.3 ms",
		99 * time.Millisecond:                "99.0 ms",
		99_600 * time.Microsecond:            "0.10 s",
		190 * time.Millisecond:               "0.19 s",
		1_240 * time.Millisecond:             "1.24 s",
		9_999 * time.Millisecond:             "10.0 s",
		59_900 * time.Millisecond:            "59.9 s",
		59_960 * time.Millisecond:            "1 min 0 s",
		312 * time.Second:                    "5 min 12 s",
		time.Hour - 400*time.Millisecond:     "1 h 0 min",
		2*time.Hour + 3*time.Minute:          "2 h 3 min",
		24*time.Hour + 59*time.Minute + 31e9: "25 h 0 min",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTicker(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second:              "0.0s",
		0:                         "0.0s",
		3_049 * time.Millisecond:  "3.0s",
		59_949 * time.Millisecond: "59.9s",
		59_960 * time.Millisecond: "1m00s",
		65_900 * time.Millisecond: "1m05s",
		7_385 * time.Second:       "2h03m05s",
	} {
		if got := ticker(d); got != want {
			t.Errorf("ticker(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0.00/s", 0.00231: "0.00231/s", 0.5: "0.5/s", 0.9999: "1.00/s", 9.99: "9.99/s", 9.996: "10.0/s", 52.36: "52.4/s", 99.97: "100/s", 8_064.5: "8,065/s",
	} {
		if got := rate(v); got != want {
			t.Errorf("rate(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestPerSecond(t *testing.T) {
	t.Parallel()
	if got, ok := perSecond(10, 4*time.Second); got != 2.5 || !ok {
		t.Errorf("perSecond(10, 4s) = %v, %v, want 2.5, true", got, ok)
	}
	for _, d := range []time.Duration{0, -time.Second} {
		if got, ok := perSecond(10, d); ok {
			t.Errorf("perSecond(10, %v) = %v, true, want false", d, got)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1_000: "1.00 kB", 12_345: "12.3 kB", 999_499: "999 kB", 999_500: "1.00 MB", 1_230_000: "1.23 MB",
		5e9: "5.00 GB", 2e12: "2.00 TB", 3e15: "3.00 PB", math.MaxInt64: "9,223 PB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// Only all is 100%, and only nothing is 0%.
func TestShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part, whole int64
		want        string
	}{
		{0, 0, "0%"},
		{1, 0, "0%"},
		{0, 9, "0%"},
		{9, 9, "100%"},
		{1, 3, "33.3%"},
		{1, 1_000, "0.1%"},
		{1, 1_001, "<0.1%"},
		{999, 1_000, "99.9%"},
		{9_999, 10_000, ">99.9%"},
	} {
		if got := share(tt.part, tt.whole); got != tt.want {
			t.Errorf("share(%d, %d) = %q, want %q", tt.part, tt.whole, got, tt.want)
		}
	}
}
