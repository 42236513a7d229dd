package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// openLoopFlags are the flags that say when the requests of an open loop are due, and for how long they may be late.
type openLoopFlags struct {
	rate        float64
	stages      stages
	poisson     bool
	seed        int64
	maxLateness duration
}

func (f *openLoopFlags) add(flags *pflag.FlagSet) {
	flags.Float64VarP(&f.rate, "rate", "q", 0, "requests per second of the whole run")
	flags.Var(&f.stages, "stage", "requests per second for a time, as 10s:100, or 30s:100..1000 for a ramp; may be repeated")
	flags.BoolVar(&f.poisson, "poisson", false, "with -q or --stage: send at random times, as many users do, not at equal distances")
	flags.Int64Var(&f.seed, "seed", 0, "with --poisson: a `NUMBER` that fixes the random times; the same gives the same")
	flags.Var(&f.maxLateness, "max-lateness", "with -q or --stage: do not send what is later than this (default no limit)")
}

// openLoop is the open loop that the flags say, nil if they say none.
func (f *openLoopFlags) openLoop(flags *pflag.FlagSet) (*plan.OpenLoop, error) {
	given := flags.Changed
	open := given("rate") || given("stage")
	switch {
	case given("rate") && !(f.rate > 0 && f.rate <= math.MaxFloat64):
		return nil, fmt.Errorf("-q %v is not a rate of more than 0; give the requests per second, as 100", f.rate)
	case given("rate") && given("stage"):
		return nil, fmt.Errorf("-q %v and --stage exclude each other; give the rate as a --stage of its own, or leave the stages out", f.rate)
	case given("stage") && !f.stages.send():
		return nil, fmt.Errorf("--stage %s sends nothing; give a stage a rate of more than 0", &f.stages)
	case f.poisson && !open:
		return nil, errors.New("--poisson is of a rate; give one with -q or --stage")
	case given("seed") && !f.poisson:
		return nil, fmt.Errorf("--seed %d is of --poisson; give that as well, or leave the seed out", f.seed)
	case given("max-lateness") && !open:
		return nil, fmt.Errorf("--max-lateness %s is of a rate; give one with -q or --stage", f.maxLateness.text)
	case given("max-lateness") && f.maxLateness.value <= 0:
		return nil, fmt.Errorf("--max-lateness %s is not more than 0; give how late a request may be, as 100ms, or leave it out for no limit", f.maxLateness.text)
	case !open:
		return nil, nil
	}
	loop := &plan.OpenLoop{Stages: f.stages, MaxLateness: f.maxLateness.value}
	if given("rate") {
		loop.Stages = []plan.Stage{{Rate: f.rate}}
	}
	if f.poisson {
		loop.Poisson = &plan.Poisson{Seed: f.seed}
	}
	return loop, nil
}

// stages is a flag that adds a stage each time it is given.
type stages []plan.Stage

// String is the stages as they can be given.
func (s *stages) String() string {
	var all []string
	for _, stage := range *s {
		text := stage.Duration.String() + ":" + showRate(stage.Rate)
		if stage.EndRate != nil {
			text += ".." + showRate(*stage.EndRate)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func showRate(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }

// Type is the value's name in the help text.
func (s *stages) Type() string { return "DURATION:RATE" }

// Set reads one stage.
func (s *stages) Set(text string) error {
	length, rates, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("%q is not a stage; use 10s:100, or 30s:100..1000 for a ramp", text)
	}
	var d duration
	if err := d.Set(length); err != nil {
		return err
	}
	if d.value <= 0 {
		return fmt.Errorf("%q lasts for %q, not for more than 0; use 10s:100, or 30s:100..1000 for a ramp", text, length)
	}
	from, to, ramp := strings.Cut(rates, "..")
	stage := plan.Stage{Duration: d.value}
	var err error
	if stage.Rate, err = parseRate(from); err != nil {
		return err
	}
	if ramp {
		end, err := parseRate(to)
		if err != nil {
			return err
		}
		stage.EndRate = &end
	}
	*s = append(*s, stage)
	return nil
}

func parseRate(text string) (float64, error) {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || !(rate >= 0 && rate <= math.MaxFloat64) {
		return 0, fmt.Errorf("%q is not a rate of 0 or more requests per second; use 10s:100, or 30s:100..1000 for a ramp", text)
	}
	return rate, nil
}

// send reports whether a stage has a rate of more than 0 at some time.
func (s stages) send() bool {
	for _, stage := range s {
		if stage.Rate > 0 || stage.RateAtEnd() > 0 {
			return true
		}
	}
	return false
}
