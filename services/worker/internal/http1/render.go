package http1

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// rendered is a hop as bytes. It is shared by slots and never written to, but for the answer it got last.
type rendered struct {
	hop    *request.Hop
	origin connect.Origin
	isHead bool // method HEAD: the response has no body
	// refused is why the hop must not be sent: it bears the name of a host that is not allowed. Nil: it may.
	refused *egress.BlockedError
	head    int    // length of the head in bytes, with the empty line
	bytes   []byte // head and body
	// last is bytes for the last request of a connection, with Connection: close; only where the plan has a last one.
	last     []byte
	lastSize int // length of its head

	answer lastHead
}

// render renders a hop, with net/http's own writer: what it sends has the same bytes with every engine. Limited says that
// connections carry so many requests and no more.
func render(h *request.Hop, limited bool) (*rendered, error) {
	r := &rendered{hop: h, origin: h.Origin(), isHead: h.Method == http.MethodHead}
	var err error
	if r.bytes, r.head, err = encode(h, false); err == nil && limited {
		r.last, r.lastSize, err = encode(h, true)
	}
	return r, err
}

func encode(h *request.Hop, last bool) (encoded []byte, head int, err error) {
	out := &http.Request{
		Method: h.Method, URL: h.URL, Host: h.Host, Header: h.Header, Close: last,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(h.Body) > 0 {
		out.Body, out.ContentLength = http.NoBody, int64(len(h.Body))
		out.Body = body{bytes.NewReader(h.Body)}
	}
	var b bytes.Buffer
	if err := out.Write(&b); err != nil {
		return nil, 0, fmt.Errorf("rendering the request: %w", err)
	}
	return b.Bytes(), b.Len() - len(h.Body), nil
}

// body is a request's body for the one time that it is rendered.
type body struct{ *bytes.Reader }

// Close does nothing.
func (body) Close() error { return nil }

// withSlot appends the request to b, with the slot's number as its last header.
func withSlot(b, encoded []byte, head int, slot int64) []byte {
	b = append(b, encoded[:head-len("\r\n")]...)
	b = append(b, request.SlotHeader+": "...)
	b = strconv.AppendInt(b, slot, 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, encoded[head:]...)
}
