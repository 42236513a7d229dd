package grpcserve

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAMessageWaitsForItsReaderNoLongerThanTheBound(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken")
	for _, tt := range []struct {
		name string
		read time.Duration // how long the reader takes for the message
		hold time.Duration // how long the bound does not count
		err  error         // of the stream
		want codes.Code    // OK: the stream's error
		took time.Duration
	}{
		{"read at once", 0, 0, nil, codes.OK, 0},
		{"read late", UnreadBound - 1, 0, nil, codes.OK, UnreadBound - 1},
		{"broken", time.Second, 0, errBroken, codes.OK, time.Second},
		{"never read", time.Hour, 0, nil, codes.Aborted, UnreadBound},
		{"never read, held for a while", time.Hour, 90 * time.Second, nil, codes.Aborted, 2 * UnreadBound},
		{"read late, held", 3*time.Minute + 1, time.Hour, nil, codes.OK, 3*time.Minute + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				p := Patiently(func(int) error {
					time.Sleep(tt.read)
					return tt.err
				}, UnreadBound, func() bool { return time.Since(begin) < tt.hold })
				defer time.Sleep(tt.read) // until the last goroutine has ended
				defer p.Close()
				err := p.Send(1)
				if took := time.Since(begin); took != tt.took {
					t.Errorf("Send took %v, want %v", took, tt.took)
				}
				if tt.want == codes.OK && !errors.Is(err, tt.err) || tt.want != codes.OK && status.Code(err) != tt.want {
					t.Errorf("Send = %v, want %v or %v", err, tt.want, tt.err)
				}
				if tt.want != codes.OK && status.Code(p.Send(2)) != tt.want {
					t.Errorf("the next Send = no %v", tt.want)
				}
			})
		})
	}
}
