package kubernetes

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// usage is what a pod has used so far, as the kernel counts it.
type usage struct {
	cpu    time.Duration
	memory int64 // bytes, at most at any time, with what the kernel keeps of files
}

// usage reads what a pod has used.
func (b *box) usage(t *testing.T, p *pod) usage {
	t.Helper()
	read := func(controller, file string) int64 {
		text := b.must(t, "bash", "-c", "cat /sys/fs/cgroup/"+controller+"/kubepods/*/pod"+p.Metadata.UID+"/"+file)
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usage{time.Duration(read("cpuacct", "cpuacct.usage")), read("memory", "memory.max_usage_in_bytes")}
}

// showUsage tells what the release's pods have used for so many requests, from which follows what they need at another rate.
func (b *box) showUsage(t *testing.T, requests int64) {
	t.Helper()
	for _, component := range []string{"worker", "coordinator"} {
		var sum usage
		for _, p := range b.pods(t, component) {
			u := b.usage(t, p)
			sum.cpu += u.cpu
			sum.memory = max(sum.memory, u.memory)
		}
		t.Logf("%d requests took %v of CPU in all pods of the %s, %v each, and %d MiB of memory in one", requests, sum.cpu.Round(time.Millisecond),
			component, sum.cpu/time.Duration(requests), sum.memory>>20)
	}
}
