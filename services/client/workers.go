package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// awaitPause is the time between two looks at the workers.
const awaitPause = time.Second

// AwaitWorkers waits until the coordinator is there and has at least n workers that answer, and looks once a second. each is told how
// many answer, whenever that changes; nil tells nobody. When ctx ends it fails with how many do, and what it heard of the others; who is
// refused fails at once.
func (c *Coordinator) AwaitWorkers(ctx context.Context, n int, each func(answering int)) error {
	last := -1
	var problem error
	for {
		answering, why, err := c.answering(ctx)
		switch {
		case rpcerr.IsRefusal(err), rpcerr.IsHandshake(err):
			return err
		case err == nil && answering >= n:
			return nil
		case problem == nil || !rpcerr.IsEnd(err): // which the end of the wait may have made
			problem = cmp.Or(err, why)
		}
		if err == nil && answering != last && each != nil {
			each(answering)
		}
		if err == nil {
			last = answering
		}
		timer := time.NewTimer(awaitPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return awaited(n, max(last, 0), problem)
		}
		c.redial()
	}
}

// awaited is what came of the wait.
func awaited(n, answering int, problem error) error {
	text := fmt.Sprintf("%d of %d workers answer", answering, n)
	if problem != nil {
		text += "; " + rpcerr.Text(problem)
	}
	return errors.New(text)
}

// answering is how many workers answer, and why one of the others does not; or why that is not known.
func (c *Coordinator) answering(ctx context.Context) (n int, why, err error) {
	response, err := answer(ctx, c.client.ListWorkers, &fanoutv1.ListWorkersRequest{})
	if err != nil {
		return 0, nil, err
	}
	for _, w := range response.GetWorkers() {
		if f := w.GetFailure(); f != nil {
			why = errors.New(f.GetMessage())
			continue
		}
		n++
	}
	return n, why, nil
}
