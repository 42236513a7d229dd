package bench

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/bench/arrivals"
)

var alsoGenerators = flag.String("generators", "", "more generators for BenchmarkArrivals: NAME=COMMAND;… with {url}, {rate} and {seconds}")

const (
	// roundSeconds is how long a generator runs in a round: long enough for the start to be less than 1 % of it, short enough
	// to find a quiet machine.
	roundSeconds = 2
	// quiet is the share of a core that other processes may take meanwhile. Whoever waits for a core for a slice of 3 ms is
	// 3 ms late, and that is no figure of the generator's.
	quiet = 0.1
)

// stuckAfter is when a generator that has not ended is killed: it must not run on beside the next.
const stuckAfter = 30 * time.Second

// generator is a command that sends a constant rate over 64 connections. It finds "GET url" on its standard input.
type generator struct{ name, command string }

// sample is what one round of a generator gave.
type sample struct {
	arrivals.Precision
	cpu    time.Duration // of the process, per arrival
	others float64       // cores that other processes took
}

// BenchmarkArrivals measures how far off the ideal grid requests come to a target in this process from generators in
// processes of their own. An operation is a round: every rate by every generator, one after the other. The table has the
// medians over the rounds in which the machine was quiet, and where there are none, over all.
//
//	go test -run '^$' -bench Arrivals -benchtime 12x ./services/bench
func BenchmarkArrivals(b *testing.B) {
	generators := generators(b)
	type cell struct {
		rate int
		name string
	}
	samples := make(map[cell][]sample)
	rates := []int{2000, 5000}
	for b.Loop() {
		for _, rate := range rates {
			for _, g := range generators {
				c := cell{rate, g.name}
				samples[c] = append(samples[c], g.run(b, rate))
			}
		}
	}
	var table strings.Builder
	for _, rate := range rates {
		for _, g := range generators {
			all := samples[cell{rate, g.name}]
			s := slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return s.others > quiet })
			rounds := fmt.Sprintf("%d quiet of %d", len(s), len(all))
			if len(s) == 0 {
				s = all
			}
			fmt.Fprintf(&table, "%5d/s %-8s p50 %6v  p99 %7v  max %8v  dispersion %5.2f  cpu %5v/request  (%s)\n", rate, g.name,
				median(s, func(s sample) time.Duration { return s.OffP50 }).Round(time.Microsecond),
				median(s, func(s sample) time.Duration { return s.OffP99 }).Round(time.Microsecond),
				median(s, func(s sample) time.Duration { return s.OffMax }).Round(time.Microsecond),
				median(s, func(s sample) float64 { return s.Dispersion }),
				median(s, func(s sample) time.Duration { return s.cpu }).Round(time.Microsecond), rounds)
		}
	}
	fmt.Fprintf(os.Stdout, "\n%s", table.String()) // b.Log cuts after ten lines
}

// generators is fanout as it is in this tree, vegeta where it is installed, and those of the flag.
func generators(b *testing.B) []generator {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "fanout")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/fanout-load/fanout/services/fanout").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	all := []generator{{"fanout", binary + " run -q {rate} -c 64 -z {seconds}s {url}"}}
	if _, err := exec.LookPath("vegeta"); err == nil {
		all = append(all, generator{"vegeta", "vegeta attack -rate {rate} -duration {seconds}s -workers 64 -max-workers 64 -connections 64 -output /dev/null"})
	}
	for more := range strings.SplitSeq(*alsoGenerators, ";") {
		if name, command, ok := strings.Cut(more, "="); ok {
			all = append(all, generator{name, command})
		}
	}
	return all
}

func (g generator) run(b *testing.B, rate int) sample {
	b.Helper()
	target, err := arrivals.StartTarget()
	if err != nil {
		b.Fatal(err)
	}
	fill := strings.NewReplacer("{url}", target.URL(), "{rate}", fmt.Sprint(rate), "{seconds}", fmt.Sprint(roundSeconds))
	words := strings.Fields(fill.Replace(g.command))
	ctx, cancel := context.WithTimeout(b.Context(), stuckAfter)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(fill.Replace("GET {url}\n"))
	start, machine, own := time.Now(), machineTime(), ownTime()
	out, err := cmd.CombinedOutput()
	took, machine, own := time.Since(start), machineTime()-machine, ownTime()-own
	at := target.Close()
	if err != nil {
		b.Fatalf("%s: %v\n%s", g.name, err, out)
	}
	if want := rate * roundSeconds; len(at) < want*99/100 || len(at) > want*101/100 {
		fmt.Fprintf(os.Stderr, "%s at %d/s: %d arrivals, want %d\n", g.name, rate, len(at), want)
	}
	spent := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{
		Precision: arrivals.Measure(at, float64(rate)),
		cpu:       spent / time.Duration(max(len(at), 1)),
		others:    (machine - own - spent).Seconds() / took.Seconds(),
	}
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
