package http1

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// exchange is one slot on its way: a request and its response on a connection, for each hop. It is part of its sender.
type exchange struct {
	client  *Client
	outcome *outcome.Outcome
	sent    time.Duration // on the run's clock
	due     time.Duration // deadline of the slot, from epoch
	at      time.Duration // when the last thing happened, on the run's clock

	// Of the hop that goes on.
	conn    *conn
	last    *lastHead // of the request
	isHead  bool
	isFinal bool // the response is the slot's, and not a redirect that is followed
	phase   errclass.Phase
	rest    *writing // nil: the request was written in one go
	read    int      // bytes of heads so far
	full    bool     // the head is too long
	head    head
	size    int64         // of the body so far
	kept    *outcome.Body // nil: the body is dropped
}

// begin begins a hop.
func (x *exchange) begin(c *conn, r *rendered) {
	x.conn, x.last, x.isHead, x.isFinal = c, &r.answer, r.isHead, true
	x.rest, x.read, x.full, x.head, x.size, x.kept = nil, 0, false, head{}, 0, nil
	x.outcome.FirstByte = 0
}

// carry writes the request, the first bytes of which are its head, and reads the response. It returns the hop that follows, if
// one does, and whether the connection can carry another request.
func (x *exchange) carry(r *rendered, out []byte, head int) (next *rendered, reusable bool, err error) {
	written, err := x.write(out)
	x.at = x.client.now()
	if err == nil {
		x.outcome.FirstByte = max(x.at-x.sent, 1)
		next, err = x.answer(r)
	}
	rest, reusable, err := x.settle(err)
	x.outcome.SentBytes += int64(max(written+rest-head, 0))
	return next, reusable && err == nil && x.isReusable(), err
}

// answer reads the response.
func (x *exchange) answer(r *rendered) (next *rendered, err error) {
	x.answered()
	if err := x.final(); err != nil {
		return nil, err
	}
	x.phase = errclass.Body
	x.outcome.Status = int32(x.head.status)
	if next, err = x.follow(r); err != nil {
		return nil, err
	}
	x.conn.head += x.head.size
	if x.head.status == http.StatusSwitchingProtocols {
		return next, nil // what follows is another protocol's, and no body
	}
	if x.isFinal && x.client.plan.Outcomes.BodyBytes > 0 {
		x.kept = &outcome.Body{}
		x.outcome.Body = x.kept
	}
	return next, x.body()
}

// isReusable reports whether another request can follow the response.
func (x *exchange) isReusable() bool {
	return !x.head.close && x.head.status >= 200 && len(x.conn.received()) == 0
}

// follow looks at what of the head only some plans need: the hop to which a redirect leads, and the headers that are asked
// for.
func (x *exchange) follow(r *rendered) (*rendered, error) {
	redirects := int(x.outcome.Redirects) < x.client.plan.HTTP.MaxRedirects && request.IsRedirect(x.head.status)
	if !redirects && len(x.client.plan.Outcomes.Headers) == 0 {
		return nil, nil
	}
	response, err := readResponse(x.conn.received()[:x.head.size], x.isHead)
	if err != nil {
		return nil, errMalformed // what parses plainly parses there
	}
	if redirects {
		hop, err := r.hop.Next(x.head.status, response.Header.Get("Location"))
		if err != nil {
			return nil, err
		}
		if hop != nil {
			x.isFinal = false
			return x.client.render(hop)
		}
	}
	x.outcome.Headers = request.Kept(response.Header, x.client.plan.Outcomes.Headers)
	return nil, nil
}

// errFull says that a response's head is longer than it may be.
var errFull = errors.New("the response's head is too long")

// more waits for more bytes of the response.
func (x *exchange) more() error {
	err := x.conn.fill()
	x.at = x.client.now()
	return err
}

// final reads heads until the final one, which stays where it is.
func (x *exchange) final() error {
	x.phase = errclass.Head
	for {
		if err := x.nextHead(); err != nil {
			return err
		}
		if x.head.status >= 200 || x.head.status < 100 || x.head.status == http.StatusSwitchingProtocols {
			return nil
		}
		x.conn.head += x.head.size
	}
}

// nextHead reads the next head, interim or final. It stays where it is. Heads are bounded together: interim ones may come
// without end.
func (x *exchange) nextHead() error {
	plain := complete
	if b := x.conn.received(); !x.last.recall(b, &x.head) {
		if plain = parseHead(b, x.isHead, &x.head); plain == complete {
			x.last.note(b[:x.head.size], &x.head, x.at)
		}
	}
	if plain == complete {
		if x.read += x.head.size; x.read > x.client.config.MaxHead {
			return x.tooLong()
		}
		return nil
	}
	for head := (coming{}); ; {
		b := x.conn.received()
		b = b[:min(len(b), x.client.config.MaxHead-x.read)]
		if end := head.end(b); end > 0 {
			x.read += end
			if plain != odd && parseHead(b[:end], x.isHead, &x.head) == complete {
				return nil
			}
			return parseOdd(b[:end], x.isHead, &x.head)
		}
		if head.isRefused(b) {
			return errMalformed
		}
		if x.read+len(b) == x.client.config.MaxHead {
			return x.tooLong()
		}
		if err := x.more(); err != nil {
			return err
		}
	}
}

func (x *exchange) tooLong() error {
	x.full = true
	return errFull
}

// body reads the response's body, and keeps of it what the plan asks for.
func (x *exchange) body() error {
	x.phase = errclass.Body
	switch {
	case x.head.chunked:
		return x.chunks()
	case x.head.length == toEnd:
		return x.toEnd()
	default:
		return x.data(x.head.length)
	}
}

// grow notes that the body has n bytes more, or will have, and fails if they are too many.
func (x *exchange) grow(n int64) error {
	most := x.client.config.MaxBody
	if most > 0 && n > most-x.size {
		return &errclass.BodyTooLargeError{Cap: most}
	}
	x.size += n
	return nil
}

// data takes the next n bytes as the body's.
func (x *exchange) data(n int64) error {
	if err := x.grow(n); err != nil {
		return err
	}
	c := x.conn
	here := min(int64(len(c.received())), n)
	x.take(c.in[c.head : c.head+int(here)])
	c.head += int(here)
	if n -= here; n == 0 {
		return nil
	}
	buffer := c.in
	if n > int64(len(buffer)) {
		pooled := x.client.buffers.Get().(*[]byte)
		defer x.client.buffers.Put(pooled)
		buffer = *pooled
	}
	for n > 0 {
		// A little more than the body: it is the next chunk's line, or it shows that the target is out of step. To find that
		// out costs nothing here, and a system call later.
		room := int64(len(buffer))
		if n < room {
			room = min(room, n+int64(len(c.in)))
		}
		got, err := c.net.Read(buffer[:room])
		x.at = x.client.now()
		body := int(min(int64(got), n))
		x.take(buffer[:body])
		n -= int64(body)
		c.head, c.tail = 0, copy(c.in, buffer[body:got])
		if err != nil && n > 0 {
			return unexpected(err)
		}
	}
	return nil
}

// toEnd takes all that comes until the connection ends as the body's.
func (x *exchange) toEnd() error {
	c := x.conn
	if err := x.grow(int64(len(c.received()))); err != nil {
		return err
	}
	x.take(c.received())
	c.head, c.tail = 0, 0
	pooled := x.client.buffers.Get().(*[]byte)
	defer x.client.buffers.Put(pooled)
	for {
		n, err := c.net.Read(*pooled)
		x.at = x.client.now()
		if err := x.grow(int64(n)); err != nil {
			return err
		}
		x.take((*pooled)[:n])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// take counts bytes of the body, and keeps those that are asked for.
func (x *exchange) take(b []byte) {
	if !x.isFinal {
		return
	}
	x.outcome.ReceivedBytes += int64(len(b))
	if x.kept != nil {
		x.kept.Keep(b, x.client.plan.Outcomes.BodyBytes)
	}
}
