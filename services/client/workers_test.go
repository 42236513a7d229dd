package client_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
)

// growingCoordinator has as many workers that answer as times it was asked before, of three, or the error.
type growingCoordinator struct {
	fanoutv1.UnimplementedCoordinatorServiceServer
	asked atomic.Int64
	err   error
}

func (c *growingCoordinator) ListWorkers(context.Context, *fanoutv1.ListWorkersRequest) (*fanoutv1.ListWorkersResponse, error) {
	response := &fanoutv1.ListWorkersResponse{}
	answering := c.asked.Add(1) - 1
	for i := range int64(3) {
		w := &fanoutv1.WorkerInfo{Address: "worker"}
		if i >= answering {
			w.Failure = &fanoutv1.WorkerFailure{Message: "worker w:7070 cannot be reached"}
		}
		response.Workers = append(response.Workers, w)
	}
	return response, c.err
}

// Whoever waits for workers hears how many answer, and goes on when they are enough, or fails with what is wrong: at the end of its
// patience, or at once where patience does not help.
func TestAwaitWorkers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		n    int
		err  error
		took time.Duration
		told []int
		want string // the error; "": none
	}{
		{"enough", 2, nil, 2 * time.Second, []int{0, 1}, ""},
		{"all", 3, nil, 3 * time.Second, []int{0, 1, 2}, ""},
		{"more than there are", 4, nil, time.Minute, []int{0, 1, 2, 3}, "3 of 4 workers answer"},
		{
			"a resolver that fails", 1, status.Error(codes.Unavailable, "workers dns:///workers:7070 cannot be found"), time.Minute, nil,
			"0 of 1 workers answer; workers dns:///workers:7070 cannot be found",
		},
		{"no permission", 1, status.Error(codes.PermissionDenied, "a reader may not"), 0, nil, "a reader may not"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn, _ := serve(t, func(s grpc.ServiceRegistrar) {
					fanoutv1.RegisterCoordinatorServiceServer(s, &growingCoordinator{err: tt.err})
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begun := time.Now()
				var told []int
				err := client.NewCoordinator(conn).AwaitWorkers(ctx, tt.n, func(n int) { told = append(told, n) })
				if took := time.Since(begun); took != tt.took {
					t.Errorf("AwaitWorkers took %v, want %v", took, tt.took)
				}
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("AwaitWorkers = %v, want %q", err, tt.want)
				}
				if !slices.Equal(told, tt.told) {
					t.Errorf("told %v, want %v", told, tt.told)
				}
			})
		})
	}
}

// A coordinator that is not there is waited for, and the error says that it is not.
func TestAwaitWorkersWithoutACoordinator(t *testing.T) {
	t.Parallel()
	conn, stop := serve(t, func(s grpc.ServiceRegistrar) {
		fanoutv1.RegisterCoordinatorServiceServer(s, &growingCoordinator{})
	})
	stop()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	err := client.NewCoordinator(conn).AwaitWorkers(ctx, 1, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "0 of 1 workers answer; ") || strings.Contains(err.Error(), "deadline") {
		t.Errorf("AwaitWorkers = %v, want how many answer and why", err)
	}
}
