package outcome

import (
	"strconv"
	"testing"
	"time"
	"unsafe"
)

func TestSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Outcome{}); strconv.IntSize == 64 && size != 128 {
		t.Errorf("an outcome has %d bytes, want two cache lines of 64", size)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		outcome  Outcome
		response time.Duration
		second   int64
	}{
		{"none", Outcome{}, 0, 0},
		{"in time", Outcome{Due: time.Second, Service: 300 * time.Millisecond}, 300 * time.Millisecond, 1},
		{"late", Outcome{Due: time.Second, Lateness: 900 * time.Millisecond, Service: 300 * time.Millisecond}, 1200 * time.Millisecond, 2},
		{"at the end of a second", Outcome{Due: time.Second, Service: time.Second - 1}, time.Second - 1, 1},
		{"at the beginning of a second", Outcome{Due: time.Second, Service: time.Second}, time.Second, 2},
		{"before the start", Outcome{Due: -3 * time.Second, Service: time.Second}, time.Second, 0},
		{"after a day", Outcome{Due: 24 * time.Hour, Service: time.Second}, time.Second, 86_401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.outcome.Response(); got != tt.response {
				t.Errorf("Response() = %v, want %v", got, tt.response)
			}
			if got := tt.outcome.Second(); got != tt.second {
				t.Errorf("Second() = %d, want %d", got, tt.second)
			}
		})
	}
}
