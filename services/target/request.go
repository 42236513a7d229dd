package target

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The headers by which a run marks its requests.
const (
	runHeader  = "X-Fanout-Run"
	slotHeader = "X-Fanout-Slot"
)

// keptBody is how much of a request's body is kept for looking at. The rest is read and counted.
const keptBody = 64 << 10

// ledgerPath answers with the ledger and leaves no trace in it.
const ledgerPath = "/ledger"

var errNotHTTP1 = errors.New("not HTTP/1")

// Seen is a request that an oracle has read completely.
type Seen struct {
	Conn    int64 // the connection's number, from 1
	Request int   // its number on that connection, from 1
	Run     string
	Slot    string // both from the headers; empty without
	Method  string
	Path    string // with the query, as it was sent
	Host    string
	// Header has canonical names. Host is not among them; Transfer-Encoding is, when the body came in chunks.
	Header    http.Header
	Body      []byte // at most the first 64 KiB; nil without a body
	BodyBytes int64  // of all of the body, without the framing of chunks
}

// exchange is one request and what its script needs for the answer. It belongs to the connection's goroutine.
type exchange struct {
	conn *conn
	seen Seen
	path string     // the script's, without the query
	arg  string     // what follows the script's name in the path
	args url.Values // the script's query

	persistence string // the header line that says what becomes of the connection, or empty where HTTP's default does
	after       ending // what becomes of it after a proper answer: keep, unless the client wants it closed
}

// read reads the next request completely, and records it.
func (c *conn) read() (*exchange, error) {
	request, err := http.ReadRequest(c.in)
	if err != nil {
		return nil, err
	}
	if request.ProtoMajor != 1 {
		return nil, errNotHTTP1
	}
	if strings.EqualFold(request.Header.Get("Expect"), "100-continue") {
		c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")) // or the client may never send the body
	}
	body, size, err := readBody(request.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	c.requests++
	x := &exchange{conn: c, seen: c.describe(request, body, size)}
	x.persist(request)
	if pathOf(x.seen.Path) != ledgerPath {
		c.oracle.ledger.record(x.seen)
	}
	return x, nil
}

func (c *conn) describe(request *http.Request, body []byte, size int64) Seen {
	if len(request.TransferEncoding) > 0 { // ReadRequest takes it out of the header
		request.Header.Set("Transfer-Encoding", strings.Join(request.TransferEncoding, ", "))
	}
	path := request.RequestURI
	if !strings.HasPrefix(path, "/") { // the absolute form, that proxies get
		path = request.URL.RequestURI()
	}
	return Seen{
		Conn:      c.number,
		Request:   c.requests,
		Run:       request.Header.Get(runHeader),
		Slot:      request.Header.Get(slotHeader),
		Method:    request.Method,
		Path:      path,
		Host:      request.Host,
		Header:    request.Header,
		Body:      body,
		BodyBytes: size,
	}
}

// perform does what the request's fate or script says.
func (x *exchange) perform() ending {
	if x.conn.fate != keep {
		return x.conn.fate
	}
	path := x.seen.Path
	if choose := x.conn.oracle.config.OnRequest; choose != nil && pathOf(path) != ledgerPath {
		path = choose(x.seen)
	}
	x.path = pathOf(path)
	if query := strings.TrimPrefix(path[len(x.path):], "?"); query != "" {
		x.args, _ = url.ParseQuery(query) // what can be read of it
	}
	var perform script
	perform, x.arg = findScript(x.path)
	return perform(x)
}

// persist finds out what the client wants to become of the connection.
func (x *exchange) persist(request *http.Request) {
	switch {
	case request.Close:
		x.persistence, x.after = "Connection: close\r\n", finish
	case !request.ProtoAtLeast(1, 1): // 1.0, and it has asked
		x.persistence = "Connection: keep-alive\r\n"
	}
}

// number reads an argument of the query, or gives its default.
func (x *exchange) number(name string, otherwise int) (n int, ok bool) {
	text := x.args.Get(name)
	if text == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// duration reads an argument of the query, or gives its default.
func (x *exchange) duration(name string, otherwise time.Duration) (d time.Duration, ok bool) {
	text := x.args.Get(name)
	if text == "" {
		return otherwise, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// readBody reads all of a body, keeps its beginning and counts all of it.
func readBody(body io.Reader) (kept []byte, size int64, err error) {
	if body == http.NoBody {
		return nil, 0, nil
	}
	kept, err = io.ReadAll(io.LimitReader(body, keptBody))
	if err != nil {
		return nil, 0, err
	}
	rest, err := io.Copy(io.Discard, body)
	return kept, int64(len(kept)) + rest, err
}

// pathOf cuts the query off.
func pathOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}
