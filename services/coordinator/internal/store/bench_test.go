package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// A second of a run: its head, and each shard's row with a tally of 20 KiB, grant, and figures of a second of 2 KiB. Each
// commit is on the disk when it returns.
func BenchmarkCommit(b *testing.B) {
	for _, shards := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "fanout.db"), Options{})
			run := create(b, s, head(1))
			run.About = make([]byte, 100<<10)
			tally, second := make([]byte, 20<<10), make([]byte, 2<<10)
			b.ReportAllocs()
			b.SetBytes(int64(shards * (len(tally) + len(second))))
			for n := int64(0); b.Loop(); n++ {
				run.Next = n * int64(shards)
				c := Change{RunID: run.ID, Head: &run, Intervals: []Interval{{n - 2, second}}}
				for i := range shards {
					for j := 0; j < len(tally); j += 512 {
						tally[j]++ // every page of it differs from the one before
					}
					c.Shards = append(c.Shards, Shard{Index: i, ID: "shard", LeaseID: "lease", Sequence: n, Tally: tally})
					c.Grants = append(c.Grants, Grant{i, 0, schedule.Grant{First: int64(i), Stride: int64(shards), Count: n}})
					c.Seconds = append(c.Seconds, Second{i, n, second})
				}
				commit(b, s, c)
			}
		})
	}
}
