// Package outcome is what became of a slot: a response, an error, or not sent. It is plain data, without proto and clock.
package outcome

import "time"

// Outcome is what became of one slot: exactly one of a response (Error and NotSent zero), an error, or not sent. Times are
// durations on the run's clock; those of a slot that was not sent are 0, but for Due. On 64-bit systems it has 128 bytes, which are
// two cache lines: each outcome is copied on its way to the stream.
type Outcome struct {
	Slot    int64
	Request int32 // index in the plan
	Status  int32 // of the last head that arrived; 0 is none

	Redirects int32 // hops followed
	Error     Class
	NotSent   Reason

	Due       time.Duration // from the run's start
	Lateness  time.Duration // due to sent
	FirstByte time.Duration // sent to first byte; 0 is none
	Service   time.Duration // sent to last byte, or to the error

	SentBytes     int64 // of request bodies
	ReceivedBytes int64 // of the response's body

	Connection *Connection // the one that this slot opened; nil when it reused one, or opened none
	Message    string      // one scrubbed sentence on the error
	Headers    []Header    // as the plan asks
	Body       *Body       // as the plan asks; nil is not asked for
}

// Response is the time from due to the last byte.
func (o *Outcome) Response() time.Duration { return o.Lateness + o.Service }

// Second is the second in which the outcome came about, on the run's clock.
func (o *Outcome) Second() int64 {
	return int64(max(o.Due+o.Lateness+o.Service, 0) / time.Second)
}

// Connection is how a new connection came to be.
type Connection struct {
	Peer     string // IP:port
	Protocol string
	DNS      time.Duration
	Dial     time.Duration
	TLS      time.Duration

	TLSResumed bool // the handshake took up an earlier session
}

// Header is one header line of a response; both parts are UTF-8.
type Header struct{ Name, Value string }

// Body is the returned part of a response's body.
type Body struct {
	Bytes     []byte
	Truncated bool // the body went on
}

// Keep adds more of the body, of which at most limit bytes are kept.
func (b *Body) Keep(more []byte, limit int) {
	if room := limit - len(b.Bytes); len(more) > room {
		more, b.Truncated = more[:room], true
	}
	b.Bytes = append(b.Bytes, more...)
}
