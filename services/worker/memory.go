package worker

import (
	"math"
	"runtime/debug"
	"strings"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// What calls take of memory, rounded up from what 3,000 senders of a worker took: 13 KiB each, 24 KiB with net/http, 31 KiB more with TLS.
// A target that is hostile can make a connection take as much as the cap on heads; the tenth of the limit for which no call is admitted
// is for that too.
const (
	// senderBytes is a sender with its connection, by engine: its stack and buffers.
	senderBytes    = 16 << 10
	stdSenderBytes = 32 << 10
	// tlsBytes is what TLS adds to a connection: records, keys, and the target's certificates.
	tlsBytes = 40 << 10
	// outcomeBytes is an outcome that waits for the stream, as package batch counts, with a connection and a message.
	outcomeBytes = 512
	// headerBytes is the headers of a response that come back with an outcome.
	headerBytes = 4 << 10
	// groupBytes is the histograms of a group, with the pages that most runs use.
	groupBytes = 256 << 10
	// planCopies is how often a plan is there: as it arrived, parsed, and rendered for the wire; a message is longer in memory.
	planCopies = 4
	// requestBytes is what a request of a plan takes beside its text, rounded up from 1.2 KiB of ten thousand short ones: its message, its
	// first hop and what is rendered of it, and the head of a response that is compared with the next, 2 KiB.
	requestBytes = 4 << 10
)

// bytesPerSender is how much memory each sender of a plan may take.
func bytesPerSender(p *plan.Plan) int64 {
	bytes := int64(senderBytes)
	if p.HTTP.Engine == plan.EngineStd {
		bytes = stdSenderBytes
	}
	for i := range p.Requests {
		if strings.HasPrefix(strings.ToLower(p.Requests[i].URL), "https:") {
			bytes += tlsBytes
			break
		}
	}
	return bytes + keptBytes(p)
}

// keptBytes is what of each response is kept beside its figures.
func keptBytes(p *plan.Plan) int64 {
	bytes := int64(p.Outcomes.BodyBytes)
	if len(p.Outcomes.Headers) > 0 {
		bytes += headerBytes
	}
	return bytes
}

// bytesPerCall is how much memory a call may take beside its senders. Of its outcomes one queue is being filled while the one before is
// written to the stream. slots is how many it has at most, which may be
// schedule.Unbounded.
func bytesPerCall(p *plan.Plan, planBytes int, slots int64, caps plan.Caps) int64 {
	queued := caps.QueueBytes
	if each := outcomeBytes + keptBytes(p); slots <= queued/each {
		queued = slots * each
	}
	groups := map[string]bool{"": true}
	for i := range p.Requests {
		groups[p.Requests[i].Group] = true
	}
	return 2*queued + groupBytes*int64(len(groups)) + planCopies*int64(planBytes) + requestBytes*int64(len(p.Requests))
}

// memoryLimit is the limit on the memory of this process that Go's runtime keeps, GOMEMLIMIT or who set it; 0: there is none.
func memoryLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return 0
}
