package main

import (
	"context"
	"time"
)

// window is a part of a run: long enough after its beginning that everything goes evenly, and over before its end.
type window struct{ after, length time.Duration }

// seen is what happened in a window.
type seen struct {
	length time.Duration
	served int64           // by the target
	cpu    []time.Duration // of each process
	memory []int64         // of each process, at the window's end
	err    error
}

// cores is how many cores the process took.
func (s seen) cores(process int) float64 { return float64(s.cpu[process]) / float64(s.length) }

// perSecond is the requests per second that were served.
func (s seen) perSecond() float64 { return float64(s.served) / s.length.Seconds() }

// watch looks at the processes and at the target in the window, which counts from now, and then tells the channel.
func (w window) watch(ctx context.Context, target *nginx, processes ...*process) <-chan seen {
	result := make(chan seen, 1) // so that nobody has to be there when ctx ends
	go func() {                  // ends with ctx, or with the window
		s, err := w.look(ctx, target, processes)
		s.err = err
		result <- s
	}()
	return result
}

func (w window) look(ctx context.Context, target *nginx, processes []*process) (seen, error) {
	if err := pauseFor(ctx, w.after); err != nil {
		return seen{}, err
	}
	began := time.Now()
	before, err := soFar(ctx, target, processes)
	if err != nil {
		return seen{}, err
	}
	if err := pauseFor(ctx, w.length); err != nil {
		return seen{}, err
	}
	s, err := soFar(ctx, target, processes)
	if err != nil {
		return seen{}, err
	}
	s.length = time.Since(began)
	s.served -= before.served
	for i := range s.cpu {
		s.cpu[i] -= before.cpu[i]
	}
	return s, nil
}

// soFar is what has happened since the processes began.
func soFar(ctx context.Context, target *nginx, processes []*process) (s seen, err error) {
	if s.served, err = target.served(ctx); err != nil {
		return s, err
	}
	for _, p := range processes {
		cpu, err := p.cpu()
		if err != nil {
			return s, err
		}
		memory, _, err := p.resident()
		if err != nil {
			return s, err
		}
		s.cpu, s.memory = append(s.cpu, cpu), append(s.memory, memory)
	}
	return s, nil
}

// pauseFor returns after d, or with an error when ctx ends first.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
