package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	// longBound is how long the run may take: at 10,000 requests a second, which is slow, ten million take 17 minutes.
	longBound = 30 * time.Minute
	// settling is the time at the beginning in which memory may grow.
	settling = time.Minute
)

// resident is the memory of a process at one moment of a run.
type resident struct {
	at    time.Duration // since the run's beginning
	bytes int64
}

// measureLong sends so many requests in one run, and watches the memory of the worker and of the coordinator.
func measureLong(ctx context.Context, l *lab) error {
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	services, err := l.startPair(ctx, generatorCPU, targetCPU)
	if err != nil {
		return err
	}
	defer services.stop()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	began := time.Now()
	worker, coordinator := watchMemory(watching, services.worker, began), watchMemory(watching, services.coordinator, began)
	var r *report
	served, err := target.servedBetween(ctx, func() (err error) {
		c := l.runCommand(services.coordinator, target.url, "-c", conns, "-n", strconv.FormatInt(l.requests, 10)).on(targetCPU)
		r, _, err = l.runFanout(ctx, c, longBound)
		return err
	})
	took := time.Since(began)
	stop()
	sizes := []struct {
		name    string
		samples []resident
	}{{"worker", <-worker}, {"coordinator", <-coordinator}}
	if err != nil {
		return err
	}
	t := l.table("process", "RSS after the first minute, MiB", "at the end", "the most", "growth since, MiB per minute")
	for _, s := range sizes {
		g := growthOf(s.samples)
		t.row(s.name, g.settled, g.end, g.most, g.perMinute)
	}
	l.say("%s requests were planned; the report has %s responses, nginx has served %s; %s of them were streamed one by one. They took %v. "+
		"Memory is read every second; its growth is the slope of the line through the readings after the first minute.",
		count(l.requests), count(r.Counts.Responses), count(served), count(r.RecordsCount), took.Round(time.Second))
	return sameCount(r, served)
}

// watchMemory reads a process's memory every second until ctx ends, and then gives the readings to the channel.
func watchMemory(ctx context.Context, p *process, began time.Time) <-chan []resident {
	result := make(chan []resident, 1) // so that nobody has to be there when ctx ends
	go func() {                        // ends with ctx
		var samples []resident
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if now, _, err := p.resident(); err == nil { // when it has died, the run fails
				samples = append(samples, resident{time.Since(began), now})
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				result <- samples
				return
			}
		}
	}()
	return result
}

// growth is a process's memory over a run, as the table has it.
type growth struct{ settled, end, most, perMinute string }

func growthOf(samples []resident) growth {
	const none = "–"
	g := growth{none, none, none, none + " (too short)"}
	if len(samples) == 0 {
		return g
	}
	var (
		most           int64
		minutes, sizes []float64
	)
	for _, s := range samples {
		most = max(most, s.bytes)
		if s.at < settling {
			continue
		}
		if len(sizes) == 0 {
			g.settled = mebibytes(s.bytes)
		}
		minutes, sizes = append(minutes, s.at.Minutes()), append(sizes, float64(s.bytes)/(1<<20))
	}
	g.end, g.most = mebibytes(samples[len(samples)-1].bytes), mebibytes(most)
	if rate, ok := slope(minutes, sizes); ok {
		g.perMinute = fmt.Sprintf("%+.2f", rate)
	}
	return g
}
