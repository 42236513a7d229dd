package http1

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// inPieces is data that arrives in pieces of one size, and then an end.
func inPieces(data string, size int, end error) *scriptedConn {
	c := &scriptedConn{end: end}
	for b := []byte(data); len(b) > 0; {
		n := min(size, len(b))
		c.pieces, b = append(c.pieces, b[:n]), b[n:]
	}
	return c
}

// padded is a head whose lines up to the empty one have that length, with a line of the test's own last.
func padded(size int, line string) string {
	begin := ok11 + "Content-Length: 5" + crlf
	var lines strings.Builder
	lines.WriteString(begin)
	for left := size - len(begin) - len(line); left > 0; {
		n := min(left, 1000)
		if left-n > 0 && left-n < 10 {
			n -= 10
		}
		lines.WriteString("X: " + strings.Repeat("x", n-5) + crlf)
		left -= n
	}
	return lines.String() + line
}

// Heads, interim ones included, may have 64 KiB together and not a byte more, whether they are plain or odd and however they
// come. A line that is malformed before that makes them malformed.
func TestHeadsAreBounded(t *testing.T) {
	t.Parallel()
	const interim = "HTTP/1.1 103 Early Hints" + crlf + "Link: </a>" + crlf + crlf
	client := mustNew(readingPlan(), nil)
	for _, tt := range []struct {
		name, before, line string
	}{
		{"plain", "", ""},
		{"odd", "", "Trailer: a" + crlf},
		{"folded", "", "A: b\r\n c" + crlf},
		{"malformed", "", "A : b" + crlf},
		{"after interim ones", strings.Repeat(interim, 7), ""},
		{"after a flood of them", strings.Repeat(interim, 1500), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{testHead - 4099, testHead - 2, testHead - 1, testHead, testHead + 1, testHead + 2, testHead + 5000} {
				head := tt.before + padded(size-len(tt.before)-len(crlf), tt.line) + crlf
				if len(head) != size {
					t.Fatalf("a head of %d bytes, want %d", len(head), size)
				}
				for _, rest := range []string{"hello", "", strings.Repeat("more", 10_000)} {
					for _, piece := range []int{1 << 20, 4096, 333} {
						checkAlike(t, client, fmt.Sprintf("%d and %d bytes in %d", size, len(rest), piece), head+rest, piece)
					}
				}
			}
		})
	}
}

func checkAlike(t *testing.T, client *Client, name, data string, piece int) {
	t.Helper()
	for _, end := range ends[:3] {
		r := reading{client: client}
		fake := inPieces(data, piece, end)
		got := r.ours(t, fake)
		want := r.theirs(inPieces(data, piece, end), fake.delivered)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s, then %v: class %v, status %d, %d bytes, reusable %v; want %v, %d, %d, %v", name, end,
				got.class, got.status, len(got.body), got.reusable, want.class, want.status, len(want.body), want.reusable)
		}
	}
}

// A head that never ends is read no further than it may be.
func TestEndlessHeads(t *testing.T) {
	t.Parallel()
	client := mustNew(readingPlan(), nil)
	for _, line := range []string{"X: x" + crlf, "X", " folded" + crlf, crlf + "HTTP/1.1 100 Continue" + crlf} {
		fake := inPieces("HTTP/1.1 100 Continue"+crlf+"A: b"+crlf+strings.Repeat(line, 1<<17/len(line)), 5000, io.EOF)
		got := reading{client: client}.ours(t, fake)
		if got.class != outcome.ProtoHeadTooLarge || fake.delivered > testHead+2*5000 {
			t.Errorf("%q without end = %v after %d bytes, want PROTO_HEAD_TOO_LARGE after 64 KiB", line, got.class, fake.delivered)
		}
	}
}
