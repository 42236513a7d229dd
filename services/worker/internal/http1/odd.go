package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
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

// headEnd is the length of a head: up to the first line that is empty. 0: it has no end yet.
func headEnd(b []byte, from int) int {
	for at := from; ; {
		size := bytes.IndexByte(b[at:], '\n')
		if size < 0 {
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

// isHopeless reports whether a head that has no end yet is malformed already, by the lines that are complete.
func isHopeless(b []byte, isHead bool) bool {
	lines := b[:bytes.LastIndexByte(b, '\n')+1]
	if len(lines) == 0 {
		return false
	}
	_, err := readResponse(lines, isHead)
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}
