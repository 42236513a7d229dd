package plan

import "time"

// Caps are the bounds of one worker process, all inclusive.
type Caps struct {
	Calls     int64         // FanOut calls at once
	Senders   int64         // senders at once, of all calls together
	Slots     int64         // slots of a run; rate × duration too
	Rate      float64       // slots per second
	Duration  time.Duration // of a load, a stage, a grace, a timeout
	Requests  int64         // requests in a plan
	PlanBytes int64         // a plan, encoded
	HeadBytes int64         // a request's headers together; a response's head
	BodyBytes int64         // a request's body; the returned part of a response's
	URLBytes  int64
}

// DefaultCaps are the caps of a worker with file descriptors to spare.
//
// 16,384 senders are 16,384 sockets: below the 20,000 that many systems allow a process at most. A plan of 3 MiB and a
// body of 1 MiB leave room in gRPC's 4 MiB, which is also what grpcurl takes. 10^10 slots are 24 h at 100,000 a second.
func DefaultCaps() Caps {
	return Caps{
		Calls:     64,
		Senders:   16_384,
		Slots:     10_000_000_000,
		Rate:      1_000_000,
		Duration:  24 * time.Hour,
		Requests:  10_000,
		PlanBytes: 3 << 20,
		HeadBytes: 64 << 10,
		BodyBytes: 1 << 20,
		URLBytes:  8 << 10,
	}
}
