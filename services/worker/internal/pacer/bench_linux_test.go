package pacer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWait holds the candidates side by side. An operation is a second of pacing at the rate, shared by 64 sleepers
// that claim slots as the engine's senders do. "busy" is beside a closed loop of HTTP over loopback, server included, in the
// same process; CPU per wake is then no figure of the pacer's.
//
//	go test -run '^$' -bench Wait -benchtime 1x -cpu 1,2 ./services/worker/internal/pacer
func BenchmarkWait(b *testing.B) {
	for _, load := range []string{"idle", "busy"} {
		for _, rate := range []int{100, 2000, 5000, 20000} {
			for _, c := range candidates {
				b.Run(fmt.Sprintf("load=%s/rate=%d/way=%s", load, rate, c.name), func(b *testing.B) {
					if load == "busy" {
						defer busy(b)()
					}
					w := c.make()
					defer w.Close()
					pace(b, w, rate)
				})
			}
		}
	}
}

// pace lets 64 sleepers wait for b.N seconds' slots, and reports how late they woke and what CPU time a wake took.
func pace(b *testing.B, w waiter, rate int) {
	var (
		late   = make([]time.Duration, b.N*rate)
		next   atomic.Int64
		group  sync.WaitGroup
		period = time.Second / time.Duration(rate)
	)
	b.ResetTimer()
	before, start := cpuTime(), time.Now().Add(5*time.Millisecond)
	for range 64 {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(late)); i = next.Add(1) - 1 {
				due := start.Add(time.Duration(i) * period)
				w.Wait(due, b.Context().Done())
				late[i] = time.Since(due)
			}
		})
	}
	group.Wait()
	spent := cpuTime() - before
	b.StopTimer()
	slices.Sort(late)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(late[len(late)/2]), "p50-µs")
	b.ReportMetric(micros(late[len(late)*99/100]), "p99-µs")
	b.ReportMetric(micros(late[len(late)-1]), "max-µs")
	b.ReportMetric(micros(spent)/float64(len(late)), "cpu-µs/wake")
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busy runs a closed loop of requests until its result is called.
func busy(b *testing.B) (stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	var (
		group sync.WaitGroup
		over  atomic.Bool
	)
	group.Go(func() {
		for !over.Load() {
			response, err := server.Client().Get(server.URL)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
	return func() {
		over.Store(true)
		group.Wait()
		server.Close()
	}
}
