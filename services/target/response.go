package target

import (
	"net/http"
	"strconv"
)

// keptOut is how large a connection's buffer for responses may stay. Larger ones are for floods, and are let go.
const keptOut = 64 << 10

// response is an answer with a known length. Its fields go out as they are, however wrong: that is what it is for.
type response struct {
	status int    // 0: 200
	reason string // empty: the usual one
	kind   string // content type; empty: plain text in UTF-8
	header string // further lines, each with its CRLF
	body   string // not sent to HEAD, and neither announced nor sent with 204 and 304
	length int    // what is announced; 0: as long as the body
}

// reply sends a response in one write. The connection goes on unless the client wants otherwise.
func (x *exchange) reply(r response) ending {
	if !x.send(r) {
		return finish
	}
	return x.after
}

// send is reply for scripts that decide the ending themselves.
func (x *exchange) send(r response) bool {
	out := x.head(r)
	if x.seen.Method != http.MethodHead && !r.bodiless() {
		out = append(out, r.body...)
	}
	ok := x.conn.write(out)
	if cap(out) <= keptOut {
		x.conn.out = out
	}
	return ok
}

// head returns the status line and the header, with the empty line, in the connection's buffer.
func (x *exchange) head(r response) []byte {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.reason == "" {
		r.reason = reason(r.status)
	}
	if r.kind == "" {
		r.kind = "text/plain; charset=utf-8"
	}
	if r.length == 0 {
		r.length = len(r.body)
	}
	out := append(x.conn.out[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(r.status), 10)
	out = append(out, ' ')
	out = append(out, r.reason...)
	out = append(out, "\r\n"...)
	if !r.bodiless() {
		out = append(out, "Content-Type: "...)
		out = append(out, r.kind...)
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(r.length), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, r.header...)
	out = append(out, x.persistence...)
	return append(out, "\r\n"...)
}

// chunkedHead is head for a body in chunks.
func (x *exchange) chunkedHead(header string) []byte {
	out := append(x.conn.out[:0], "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"...)
	out = append(out, header...)
	out = append(out, x.persistence...)
	return append(out, "\r\n"...)
}

// bodiless says that HTTP gives this status no body, and so no length (RFC 9110, sections 15.3.5 and 15.4.5).
func (r response) bodiless() bool {
	return r.status == http.StatusNoContent || r.status == http.StatusNotModified
}

func reason(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Nonstandard"
}
