package main

import (
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/fanout-load/fanout/services/internal/memlimit"
)

// limitMemory gives the runtime nine tenths of what the process's control group may take, where GOMEMLIMIT does not say another limit:
// a process that knows no limit grows until the system kills it. The last tenth is for what the runtime does not see.
func limitMemory(log *slog.Logger) {
	if debug.SetMemoryLimit(-1) < math.MaxInt64 {
		return
	}
	if group := memlimit.Cgroup(); group > 0 {
		limit := group / 10 * 9
		debug.SetMemoryLimit(limit)
		log.Info("GOMEMLIMIT is not set; the memory limit is nine tenths of that of the control group", "limit_bytes", limit, "group_bytes", group)
	}
}
