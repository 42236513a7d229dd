package target

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// listedDuplicates bounds what /ledger names: enough to see a pattern in, whatever went wrong.
	listedDuplicates = 1000
	// mostInterim bounds what /1xx makes in memory, as a flood has its own script.
	mostInterim = 10_000
	// bytesPart is how much of /bytes and /endless goes out in one write.
	bytesPart = 16 << 10
)

// filler is what bodies that only have a size are made of; as bytes, never written to, for those that go out in parts.
var (
	filler      = strings.Repeat("x", bytesPart)
	fillerBytes = []byte(filler)
)

// okay is the answer of all scripts whose point is elsewhere.
var okay = response{body: "ok\n"}

func performOK(x *exchange) ending { return x.reply(okay) }

func performEcho(x *exchange) ending {
	lines := []string{"Host: " + x.seen.Host}
	for name, values := range x.seen.Header {
		for _, value := range values {
			lines = append(lines, name+": "+value)
		}
	}
	slices.Sort(lines)
	header := strings.Join(lines, "\n")
	return x.reply(response{body: fmt.Sprintf("%s %s\n%s\n\n%s", x.seen.Method, x.seen.Path, header, x.seen.Body)})
}

func performStatus(x *exchange) ending {
	code, err := strconv.Atoi(x.arg)
	if err != nil || code < 200 || code > 999 {
		return x.misused("a status from 200 to 999")
	}
	return x.reply(response{status: code, body: fmt.Sprintf("%d %s\n", code, reason(code))})
}

func performDelay(x *exchange) ending {
	delay, err := time.ParseDuration(x.arg)
	if err != nil || delay < 0 {
		return x.misused("a duration, as 100ms")
	}
	if !x.conn.pause(delay) {
		return finish
	}
	return x.reply(okay)
}

func performBytes(x *exchange) ending {
	n, err := strconv.Atoi(x.arg)
	if err != nil || n < 0 {
		return x.misused("a number of bytes")
	}
	first := min(n, bytesPart)
	if !x.send(response{body: filler[:first], length: n}) {
		return finish
	}
	if x.seen.Method == http.MethodHead {
		return x.after
	}
	for rest := n - first; rest > 0; rest -= bytesPart {
		if !x.conn.write(fillerBytes[:min(rest, bytesPart)]) {
			return finish
		}
	}
	return x.after
}

func performChunked(x *exchange) ending {
	n, err := strconv.Atoi(x.arg)
	if err != nil || n < 0 {
		return x.misused("a number of chunks")
	}
	out := x.chunkedHead("Trailer: X-Fanout-Chunks\r\n")
	if x.seen.Method == http.MethodHead {
		return x.push(out, x.after)
	}
	for i := range n {
		out = appendChunk(out, fmt.Sprintf("chunk %d\n", i+1))
		if len(out) >= bytesPart {
			if !x.conn.write(out) {
				return finish
			}
			out = out[:0]
		}
	}
	return x.push(fmt.Appendf(out, "0\r\nX-Fanout-Chunks: %d\r\n\r\n", n), x.after)
}

func performInterim(x *exchange) ending {
	n, err := strconv.Atoi(x.arg)
	if err != nil || n < 0 || n > mostInterim {
		return x.misused("a number up to 10000")
	}
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
	if n > 0 && !x.conn.write([]byte(strings.Repeat(hint, n))) {
		return finish
	}
	return x.reply(okay)
}

func performLedger(x *exchange) ending {
	ledger := x.conn.oracle.ledger
	total, distinct := ledger.totals()
	duplicates := ledger.Duplicates()
	text, err := json.Marshal(struct {
		Total      int64    `json:"total"`
		Distinct   int64    `json:"distinct"`
		Duplicates []string `json:"duplicates"`
	}{total, distinct, append([]string{}, duplicates[:min(len(duplicates), listedDuplicates)]...)})
	if err != nil {
		return x.reply(response{status: http.StatusInternalServerError, body: err.Error()})
	}
	return x.reply(response{kind: "application/json", body: string(text) + "\n"})
}

func performHTTP10(x *exchange) ending {
	return x.push([]byte("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nok\n"), finish)
}

// push writes bytes as they are, and then leaves the connection as the script wants it.
func (x *exchange) push(out []byte, then ending) ending {
	if !x.conn.write(out) {
		return finish
	}
	return then
}

// appendChunk appends one chunk of a body.
func appendChunk(out []byte, data string) []byte {
	out = strconv.AppendInt(out, int64(len(data)), 16)
	out = append(out, "\r\n"...)
	out = append(out, data...)
	return append(out, "\r\n"...)
}
