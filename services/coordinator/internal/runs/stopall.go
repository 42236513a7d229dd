package runs

import "context"

// StopAll asks for the end of every run that goes on, those included that somebody is just creating, and returns how many those are: when
// it is stored that they are to stop, or with ctx. why is one sentence that their verdicts give.
func (r *Registry) StopAll(ctx context.Context, why string) int {
	going := r.goingOn(ctx)
	for _, one := range going {
		one.cancelBecause(why)
	}
	for _, one := range going {
		one.awaitStop(ctx)
	}
	return len(going)
}

// goingOn is the runs that go on, after who creates one has done so, or ctx has ended.
func (r *Registry) goingOn(ctx context.Context) (going []*Run) {
	select {
	case r.creating <- struct{}{}:
		defer func() { <-r.creating }()
	case <-ctx.Done():
	case <-r.life.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.live {
		if !known.over() {
			going = append(going, known)
		}
	}
	return going
}
