package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/textproto"
	"os"
)

// errChunk says that the chunks of a body, or its trailer, are malformed.
var errChunk = errors.New("the chunks of the response's body are malformed")

const (
	// maxLine is the longest line that says a chunk's size, and maxTrailer the longest trailer: net/http's buffer.
	maxLine    = 4096
	maxTrailer = 4096
	// excessFree and excessBound bound what is around the data of chunks, as net/http does: 16 bytes and twice the data of
	// each chunk are free, 16 KiB beyond that are a target that wants to keep us busy.
	excessFree  = 16
	excessBound = 16 << 10
)

// chunks reads a body in chunks: RFC 9112 section 7.1, as strict as net/http is.
func (x *exchange) chunks() error {
	excess := int64(0)
	for {
		line, err := x.chunkLine()
		if err != nil {
			return err
		}
		overhead := int64(len(line)) + 2
		size, ok := chunkSize(line)
		if !ok {
			return errChunk
		}
		if size == 0 {
			return x.trailer()
		}
		excess = max(excess+overhead-(excessFree+2*int64(size)), 0) // overflows where net/http's does
		if excess > excessBound {
			return errChunk
		}
		if err := x.data(int64(min(size, math.MaxInt64))); err != nil { // more does not arrive either
			return err
		}
		end, err := x.peek(2)
		if err != nil {
			return err
		}
		if string(end) != "\r\n" {
			return errChunk
		}
		x.conn.head += 2
	}
}

// chunkLine takes the next line, without its end, which is CR and LF.
func (x *exchange) chunkLine() ([]byte, error) {
	c := x.conn
	for searched := 0; ; {
		b := c.received()
		b = b[:min(len(b), maxLine)]
		if end := bytes.IndexByte(b[searched:], '\n'); end >= 0 {
			line := b[:searched+end]
			if bytes.IndexByte(line, '\r') != len(line)-1 || len(line) == 0 {
				return nil, errChunk
			}
			c.head += len(line) + 1
			return line[:len(line)-1], nil
		}
		if searched = len(b); searched == maxLine {
			return nil, errChunk
		}
		if err := x.more(); err != nil {
			return nil, unexpected(err)
		}
	}
}

// chunkSize is the size in a chunk's line. What follows a semicolon is an extension, which nobody uses.
func chunkSize(line []byte) (size uint64, ok bool) {
	for len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t') {
		line = line[:len(line)-1]
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		size = size<<4 | uint64(c)
	}
	return size, true
}

// trailer takes what follows the last chunk: nothing but an empty line, mostly.
func (x *exchange) trailer() error {
	c := x.conn
	end, err := x.peek(2)
	if err != nil {
		return inTrailer(err)
	}
	if string(end) == "\r\n" {
		c.head += 2
		return nil
	}
	for {
		b := c.received()
		b = b[:min(len(b), maxTrailer)]
		if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
			b = b[:end+4]
			lines := bufio.NewReaderSize(bytes.NewReader(b), len(b))
			if _, err := textproto.NewReader(lines).ReadMIMEHeader(); err != nil {
				return errChunk
			}
			c.head += len(b) - lines.Buffered()
			return nil
		}
		if len(b) == maxTrailer {
			return errChunk
		}
		if err := x.more(); err != nil {
			return inTrailer(err)
		}
	}
}

// inTrailer is err within a trailer: whatever ends the connection there, net/http only knows that the trailer does not end.
// Our own timeout is one.
func inTrailer(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return errChunk
}

// peek is the next n bytes, which stay.
func (x *exchange) peek(n int) ([]byte, error) {
	for len(x.conn.received()) < n {
		if err := x.more(); err != nil {
			return nil, unexpected(err)
		}
	}
	return x.conn.received()[:n], nil
}

// unexpected is err within something that has not ended.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
