package http1

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http"
	"os"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/enginetest"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// ends is how a connection may end.
var ends = []error{io.EOF, os.NewSyscallError("read", syscall.ECONNRESET), os.ErrDeadlineExceeded, io.ErrUnexpectedEOF}

// verdict is what became of a response.
type verdict struct {
	class    outcome.Class
	status   int32
	body     string
	headers  []outcome.Header
	reusable bool
}

// reading is how a response is read.
type reading struct {
	client *Client
	isHead bool
	reused bool // the connection has carried a request before
}

// ours is what a sender makes of the response.
func (r reading) ours(t *testing.T, fake *scriptedConn) verdict {
	c := heldConn(fake)
	fake.asTimeoutOf(c.line)
	if r.reused {
		c.carried = 1
	}
	s := &Sender{client: r.client, held: c}
	o := outcome.Outcome{Due: r.client.now()}
	if r.isHead {
		o.Request = 1
	}
	s.Send(t.Context(), &o)
	v := verdict{class: o.Error, status: o.Status, headers: o.Headers, reusable: s.held != nil}
	if o.Body != nil {
		v.body = string(o.Body.Bytes)
	}
	if len(v.body) != int(o.ReceivedBytes) {
		t.Errorf("ReceivedBytes = %d with a body of %d", o.ReceivedBytes, len(v.body))
	}
	return v
}

// theirs is what net/http.ReadResponse makes of it, with the classes as package httpstd finds them. taken is how many bytes
// were read from the connection by us: what follows the response only counts if it was seen.
func (r reading) theirs(fake *scriptedConn, taken int) (v verdict) {
	limit := &limited{conn: fake, left: testHead}
	all := bufio.NewReader(limit)
	failure := errclass.Failure{Reused: r.reused}
	var response *http.Response
	for {
		if response, failure.Err = http.ReadResponse(all, &http.Request{Method: method(r.isHead)}); failure.Err != nil {
			failure.Phase, failure.HeadFull = errclass.Head, limit.full
			if fake.delivered == 0 {
				failure.Phase = errclass.Wait
			}
			if fake.ended {
				failure.Err = fake.end
			}
			return r.failed(v, &failure, fake)
		}
		if s := response.StatusCode; s < 100 || s > 199 || s == http.StatusSwitchingProtocols {
			break
		}
	}
	limit.left = math.MaxInt
	v.status = int32(response.StatusCode)
	v.headers = request.Kept(response.Header, r.client.plan.Outcomes.Headers)
	var body []byte
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, failure.Err = io.ReadAll(response.Body)
	}
	v.body = string(body)
	if failure.Err != nil {
		failure.Phase, failure.Chunked = errclass.Body, len(response.TransferEncoding) > 0
		return r.failed(v, &failure, fake)
	}
	v.reusable = !response.Close && response.StatusCode >= 200 && fake.delivered-all.Buffered() == taken
	return v
}

func (reading) failed(v verdict, failure *errclass.Failure, fake *scriptedConn) verdict {
	if fake.timedOut() {
		failure.Cause = errclass.ErrTimeout
	}
	v.class = failure.Class()
	return v
}

// readingPlan is a GET and a HEAD request of which everything is kept.
func readingPlan() *plan.Plan {
	request := plan.Request{URL: "http://" + fakeOrigin.Address + "/", Method: http.MethodGet, Weight: 1, Timeout: time.Hour}
	head := request
	head.Method = http.MethodHead
	return &plan.Plan{
		Requests: []plan.Request{request, head},
		Load:     plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 1}},
		Outcomes: plan.OutcomeOptions{BodyBytes: 1 << 30, Headers: []string{"*"}},
	}
}

// FuzzResponse holds whole responses against net/http.ReadResponse and its bodies: whatever a target sends, however it arrives,
// and however the connection ends, both come to the same outcome, and to the same decision about the connection.
func FuzzResponse(f *testing.F) {
	for i, response := range enginetest.Responses() {
		for end := range byte(4) {
			f.Add([]byte(response), []byte(nil), end, false, false, i%2 == 0)
			f.Add([]byte(response), []byte{byte(i), byte(3 * i), 0, 40, byte(i / 2)}, end, i%3 == 0, i%2 == 0, i%5 == 0)
		}
	}
	client := mustNew(readingPlan(), nil)
	f.Fuzz(func(t *testing.T, data, cuts []byte, end byte, joined, isHead, reused bool) {
		r := reading{client, isHead, reused}
		joined = joined && end%4 != 1 && end%4 != 2 // package tls has nothing but its ends come with data
		fake := func() *scriptedConn {
			c := scripted(bytes.Clone(data), cuts, ends[end%4])
			c.joined = joined
			return c
		}
		for _, known := range client.requests {
			known.answer.seen.Store(nil)
		}
		for _, time := range []string{"first", "second"} { // its head may be known by then
			one := fake()
			got := r.ours(t, one)
			want := r.theirs(fake(), one.delivered)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q in %d, then %v (joined %v), HEAD %v, reused %v, the %s time:\ngot  %+v\nwant %+v",
					data, cuts, ends[end%4], joined, isHead, reused, time, got, want)
			}
			if got.class == outcome.Other {
				t.Errorf("%q in %d: class OTHER", data, cuts)
			}
		}
	})
}
