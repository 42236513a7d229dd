package http1

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/enginetest"
)

// errLimit ends what limited reads.
var errLimit = errors.New("the heads are longer than they may be")

// limited reads no more from a connection than heads may be long, as net/http's transport does.
type limited struct {
	conn io.Reader
	left int
	full bool // more was asked for
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		l.full = true
		return 0, errLimit
	}
	n, err := l.conn.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// method is the method of a request whose response is, or is not, without a body.
func method(isHead bool) string {
	if isHead {
		return http.MethodHead
	}
	return http.MethodGet
}

// FuzzHead holds the parsing of heads against net/http.ReadResponse: whatever the bytes are, and however they arrive, a head is
// taken or refused alike, ends at the same byte, and says the same about what follows.
func FuzzHead(f *testing.F) {
	for i, head := range enginetest.Heads {
		f.Add([]byte(head), []byte(nil), false)
		f.Add([]byte(head+"hello"), []byte{byte(i), byte(2 * i), 0}, i%2 == 0)
	}
	client := &Client{config: Config{Start: time.Now(), MaxHead: testHead}}
	f.Fuzz(func(t *testing.T, data, cuts []byte, isHead bool) {
		x, err := exchange{}, error(nil)
		last := &lastHead{}
		next := func() {
			x = exchange{client: client, outcome: &outcome.Outcome{}, conn: heldConn(scripted(data, cuts, io.EOF)), last: last, isHead: isHead}
			err = x.nextHead()
		}
		next()

		limit := &limited{conn: scripted(data, cuts, io.EOF), left: testHead}
		all := bufio.NewReader(limit)
		response, refused := http.ReadResponse(all, &http.Request{Method: method(isHead)})
		if (err == nil) != (refused == nil) || x.full != limit.full {
			t.Fatalf("%q in %d:\nnextHead() = %v, full %v\nwant %v, full %v", data, cuts, err, x.full, refused, limit.full)
		}
		if err != nil {
			return
		}
		want := head{
			size: testHead - limit.left - all.Buffered(), status: response.StatusCode, length: response.ContentLength,
			chunked: len(response.TransferEncoding) > 0, close: response.Close,
		}
		if response.Body == http.NoBody {
			want.chunked, want.length = false, 0
		}
		got := x.head
		if want.chunked { // its length is of no matter
			want.length, got.length = math.MinInt64, math.MinInt64
		}
		if got != want {
			t.Errorf("%q in %d:\nhead = %+v\nwant   %+v", data, cuts, got, want)
		}
		parsed := x.head
		if next(); err != nil || x.head != parsed {
			t.Errorf("%q in %d, once more:\nhead = %+v, %v\nwant   %+v", data, cuts, x.head, err, parsed)
		}
	})
}
