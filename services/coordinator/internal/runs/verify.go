package runs

import (
	"context"

	"github.com/fanout-load/fanout/services/coordinator/internal/verify"
	"github.com/fanout-load/fanout/services/internal/run"
)

// Verify checks what is stored of a run that has ended. It fails with store.ErrNoRun or ErrNotEnded.
func (r *Registry) Verify(ctx context.Context, id string) ([]run.Check, error) {
	stored, err := r.config.Store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	if stored.Report == nil {
		return nil, ErrNotEnded
	}
	return verify.Run(ctx, r.config.Store, stored)
}
