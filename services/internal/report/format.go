package report

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Number is n with a comma between thousands.
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// Count is n and the noun, with an s unless n is 1.
func Count(n int64, noun string) string {
	return Number(n) + " " + plural(n, noun, noun+"s")
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// three is v, 0 or more, with three significant digits, but never fewer digits than its whole part has.
func three(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return Number(int64(math.Round(v)))
	}
}

// latency is d in the unit in which three digits say most: "850 ns", "42 µs", "1.20 ms", "12.3 s". Whole microseconds
// below 100 stay whole, because the histograms know no finer ones and 42.0 would claim that they do.
func latency(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + latency(-d)
	case d%time.Microsecond == 0 && d < 100*time.Microsecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < time.Microsecond:
		return strconv.FormatInt(d.Nanoseconds(), 10) + " ns"
	}
	// Compared with half a digit to spare: 999.6 µs is 1.00 ms, not 1,000 µs.
	if us := float64(d) / float64(time.Microsecond); us < 999.5 {
		return three(us) + " µs"
	}
	if ms := float64(d) / float64(time.Millisecond); ms < 999.5 {
		return three(ms) + " ms"
	}
	return three(d.Seconds()) + " s"
}

// span is how long a run or call took: "12.3 ms", "0.19 s", "59.9 s", "5 min 12 s", "2 h 3 min".
func span(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s < 0.0995:
		return latency(d)
	case s < 9.995:
		return fmt.Sprintf("%.2f s", s)
	case s < 59.95:
		return fmt.Sprintf("%.1f s", s)
	}
	if whole := d.Round(time.Second); whole < time.Hour {
		return fmt.Sprintf("%d min %d s", whole/time.Minute, whole%time.Minute/time.Second)
	}
	whole := d.Round(time.Minute)
	return fmt.Sprintf("%s h %d min", Number(int64(whole/time.Hour)), whole%time.Hour/time.Minute)
}

// ticker is a time that is shown while it runs, so in steps of an even width: "3.0s", "1m05s", "2h03m05s".
func ticker(d time.Duration) string {
	if d = max(d, 0).Round(100 * time.Millisecond); d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Truncate(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm%02ds", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}

// perSecond is n over d as a rate; ok is false when there is no time to divide by.
func perSecond(n int64, d time.Duration) (rate float64, ok bool) {
	if d <= 0 {
		return 0, false
	}
	return float64(n) / d.Seconds(), true
}

// rate is v per second.
func rate(v float64) string {
	if v > 0 && v < 0.9995 {
		return strconv.FormatFloat(v, 'g', 3, 64) + "/s"
	}
	return three(v) + "/s"
}

// size is n bytes in decimal units, as networks count them.
func size(n int64) string {
	if n < 1000 {
		return Number(n) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.5 {
			return three(v) + " " + unit
		}
	}
	return three(v/1000) + " PB"
}

// share is part of whole in percent. It says 0% and 100% only when that is exact.
func share(part, whole int64) string {
	if whole <= 0 || part == 0 {
		return "0%"
	}
	switch percent := 100 * float64(part) / float64(whole); {
	case part == whole:
		return "100%"
	case percent < 0.1:
		return "<0.1%"
	case percent > 99.9:
		return ">99.9%"
	default:
		return fmt.Sprintf("%.1f%%", percent)
	}
}
