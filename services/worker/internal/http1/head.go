package http1

import "bytes"

// head is what the head of a response says about what follows.
type head struct {
	size    int   // bytes of the head, the empty line included
	status  int   // 0 to 999
	length  int64 // bytes of the body; toEnd: all that comes until the connection ends. Not used for a chunked one
	chunked bool  // the body comes in chunks
	close   bool  // no other request can follow
}

// toEnd is the length of a body that the end of the connection ends.
const toEnd = -1

// Results of parseHead.
type parsed int

const (
	complete   parsed = iota
	incomplete        // there is more to come
	odd               // it is not as plain as this parser wants it; parseOdd knows
)

// parseHead parses a plain head at the beginning of b: HTTP/1.1, header lines without folds and blanks before the colon, at
// most one Content-Length and one Transfer-Encoding, no Trailer, and no Connection but close or keep-alive. What is plain has
// the meaning that net/http gives it; whatever is not is odd.
func parseHead(b []byte, isHead bool, h *head) parsed {
	const statusLine = len("HTTP/1.1 200")
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return incomplete
	}
	if end <= statusLine || string(b[:len("HTTP/1.1 ")]) != "HTTP/1.1 " || !digits3(b[len("HTTP/1.1 "):]) ||
		b[statusLine] != ' ' && (b[statusLine] != '\r' || end != statusLine+1) {
		return odd
	}
	*h = head{status: int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0'), length: toEnd}
	hasLength := false
	at := end + 1
	for {
		size := bytes.IndexByte(b[at:], '\n')
		if size < 0 {
			return incomplete
		}
		line := b[at : at+size]
		at += size + 1
		if size > 0 && line[size-1] == '\r' {
			line = line[:size-1]
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := field(line)
		if !ok {
			return odd
		}
		switch name {
		case isContentLength:
			n, ok := decimal(value)
			if !ok || hasLength {
				return odd
			}
			h.length, hasLength = n, true
		case isTransferEncoding:
			if h.chunked || !equalFold(value, "chunked") {
				return odd
			}
			h.chunked = true
		case isConnection:
			switch {
			case equalFold(value, "close"):
				h.close = true
			case !equalFold(value, "keep-alive"):
				return odd
			}
		case isTrailer:
			return odd
		}
	}
	// Folds begin with a blank, which is no name. That none follows the last line is known by the empty one.
	h.size = at
	h.frame(isHead)
	return complete
}

// frame settles what the lines together mean for the body: RFC 9112 section 6.3.
func (h *head) frame(isHead bool) {
	switch {
	case isHead, h.status < 200, h.status == 204, h.status == 304:
		h.length, h.chunked = 0, false
	case h.chunked:
		h.length = 0
	case h.length == toEnd:
		h.close = true
	}
}

// digits3 reports whether b begins with a number of three digits that does not begin with 0.
func digits3(b []byte) bool {
	return len(b) >= 3 && '1' <= b[0] && b[0] <= '9' && '0' <= b[1] && b[1] <= '9' && '0' <= b[2] && b[2] <= '9'
}

// decimal is a number of at most 18 digits.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// equalFold reports whether b is the lower-case text in any case.
func equalFold(b []byte, text string) bool {
	if len(b) != len(text) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != text[i] {
			return false
		}
	}
	return true
}
