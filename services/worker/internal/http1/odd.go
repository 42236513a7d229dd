package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
)

// errMalformed says that what the target sent is no HTTP/1 response.
var errMalformed = errors.New("the response's head is malformed")

// parseOdd parses a whole head, whatever it looks like, with net/http's own reader.
func parseOdd(b []byte, isHead bool, h *head) error {
	response, err := readResponse(b, isHead)
	if err != nil {
		return errMalformed
	}
	*h = head{
		size: len(b), status: response.StatusCode, length: response.ContentLength,
		chunked: len(response.TransferEncoding) > 0, close: response.Close,
	}
	if response.Body == http.NoBody {
		h.length, h.chunked = 0, false
	}
	return nil
}

// readResponse is net/http's view of a head.
func readResponse(b []byte, isHead bool) (*http.Response, error) {
	asked := &http.Request{Method: http.MethodGet}
	if isHead {
		asked.Method = http.MethodHead
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), asked)
}

// coming is a head that has no end yet. Its bytes are given to it again with each that are added.
type coming struct {
	searched int  // no empty line ends before
	checked  int  // net/http takes the lines before, the last of which no fold continues
	tried    bool // so much as is here of the line that begins there was looked at
}

// end is the length of the head: up to the first line that is empty. 0: it is not there yet.
func (h *coming) end(b []byte) int {
	for at := h.searched; ; {
		size := bytes.IndexByte(b[at:], '\n')
		if size < 0 {
			h.searched = max(len(b)-2, 0)
			return 0
		}
		at += size + 1
		switch {
		case at < len(b) && b[at] == '\n':
			return at + 1
		case at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n':
			return at + 2
		}
	}
}

// isRefused reports whether net/http would refuse the head by what is here of it, without asking for more: then neither do we
// wait. Only lines that are new are looked at, and those that folds continue when they are complete: a target that drips its
// head gets no more of our time than one that does not.
func (h *coming) isRefused(b []byte) bool {
	if h.checked == 0 {
		end := bytes.IndexByte(b, '\n') + 1
		if end == 0 {
			return false
		}
		if refuses(b[:end], func(r *bufio.Reader) error { _, err := http.ReadResponse(r, nil); return err }) {
			return true
		}
		h.checked = end
	}
	last := lastLine(b, h.checked)
	ended := bytes.IndexByte(b[last:], '\n') >= 0
	if last == h.checked && (h.tried || !ended) {
		return false
	}
	lines := b[h.checked:]
	h.checked, h.tried = last, ended
	return refuses(lines, func(r *bufio.Reader) error { _, err := textproto.NewReader(r).ReadMIMEHeader(); return err })
}

// lastLine is where the last line begins that is known to continue none, from one that does.
func lastLine(b []byte, from int) int {
	for at := from; ; {
		size := bytes.IndexByte(b[at:], '\n')
		if at += size + 1; size < 0 || at == len(b) {
			return from
		}
		if b[at] != ' ' && b[at] != '\t' {
			from = at
		}
	}
}

// refuses reports whether the bytes fail to be read, and not for want of more.
func refuses(b []byte, read func(*bufio.Reader) error) bool {
	begun := beginning{rest: b}
	return read(bufio.NewReader(&begun)) != nil && !begun.over
}

// beginning reads as the beginning of something.
type beginning struct {
	rest []byte
	over bool // more was asked for
}

// Read reads what there is.
func (r *beginning) Read(b []byte) (int, error) {
	if r.over = len(r.rest) == 0; r.over {
		return 0, io.EOF
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
