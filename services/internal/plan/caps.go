package plan

import "time"

// Caps are the bounds of one worker process, all inclusive. A coordinator has those that are about a plan alone.
type Caps struct {
	Calls         int64         // FanOut calls at once
	Senders       int64         // senders at once, of all calls together
	Slots         int64         // slots of a run; rate × duration too
	Rate          float64       // slots per second
	Duration      time.Duration // of a load, a stage, a grace, a timeout
	Requests      int64         // requests in a plan
	PlanBytes     int64         // a plan, encoded
	HeadBytes     int64         // a request's headers together; a response's head
	BodyBytes     int64         // a request's body; the returned part of a response's
	URLBytes      int64
	Redirects     int64 // hops that a slot follows
	ResponseBytes int64 // a response's body, as it is received
	QueueBytes    int64 // outcomes of a call that wait for its stream
	Memory        int64 // what the process may take; 0 is no limit
}

// DefaultCaps are the caps of a worker with file descriptors to spare and no limit on its memory.
//
// 16,384 senders are 16,384 sockets: below the 20,000 that many systems allow a process at most. A plan of 3 MiB and a
// body of 1 MiB leave room in gRPC's 4 MiB, which is also what grpcurl takes. 10^10 slots are 24 h at 100,000 a second.
// 50 redirects are more than twice what browsers follow before they call it a loop. A response of 64 GiB is more than
// 10 Gbit/s bring within the default timeout. 64 MiB are what 300,000 outcomes take that wait for the stream.
func DefaultCaps() Caps {
	return Caps{
		Calls:         64,
		Senders:       16_384,
		Slots:         10_000_000_000,
		Rate:          1_000_000,
		Duration:      24 * time.Hour,
		Requests:      10_000,
		PlanBytes:     3 << 20,
		HeadBytes:     64 << 10,
		BodyBytes:     1 << 20,
		URLBytes:      8 << 10,
		Redirects:     50,
		ResponseBytes: 64 << 30,
		QueueBytes:    64 << 20,
	}
}

// HardCaps are what no configuration goes beyond, since something else ends there.
func HardCaps() Caps {
	return Caps{
		Calls:   4096,           // each has a descriptor, goroutines and a queue of its own
		Senders: 262_144,        // at 16 KiB each 4 GiB, and four times the ports towards one address
		Slots:   40_000_000_000, // the schedule is held against an exact one up to here
		Rate:    10_000_000,     // ten slots a microsecond, which is what histograms can tell apart
		// A worker's clock, and the seconds of a report, reach as far as a load and its grace of a day each.
		Duration:      24 * time.Hour,
		Requests:      MaxTotalWeight, // each has a weight of 1 at least
		PlanBytes:     7 << 19,        // a message of 4 MiB has labels and grants beside it
		HeadBytes:     256 << 10,      // three times as much as text with replacement characters, beside a body, in 4 MiB
		BodyBytes:     2 << 20,        // beside such a head, and a batch of 256 KiB
		URLBytes:      64 << 10,
		Redirects:     50,
		ResponseBytes: 1 << 40,
		QueueBytes:    1 << 30,
	}
}
