package batch

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// What an outcome costs on its way from a sender to the stream, its message's encoding included: with a row, without, and where it
// finds no room and is folded at once. On two cores of an AMD EPYC: 150, 90 and 95 ns.
func BenchmarkOutcome(b *testing.B) {
	for _, bm := range []struct {
		name    string
		options Options
		bound   int
	}{
		{"every", Options{}, maxQueued},
		{"tally-only", Options{TallyOnly: true}, maxQueued},
		{"folded", Options{Fold: true}, 0},
	} {
		b.Run(bm.name, func(b *testing.B) {
			bm.options.Groups = []string{""}
			l := newLineWith(bm.options, schedule.Unbounded, time.Now())
			l.queue.bound = bm.bound
			l.batcher.send = func(m *fanoutv1.FanOutResponse) error {
				_, err := proto.Marshal(m)
				return err
			}
			o := outcome.Outcome{Status: 200, FirstByte: 80 * time.Microsecond, ReceivedBytes: 15}
			b.ReportAllocs()
			for i := range b.N {
				o.Slot, o.Due, o.Service = int64(i), time.Duration(i)*10*time.Microsecond, time.Duration(90+i%50)*time.Microsecond
				l.queue.Put(&o)
				if i%bulkRows == bulkRows-1 {
					if err := l.batcher.flush(); err != nil {
						b.Fatal(err)
					}
					l.batcher.book.drop(l.batcher.book.first)
				}
			}
		})
	}
}
