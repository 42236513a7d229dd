package target

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
	"time"
)

const (
	dripLength  = 1 << 30 // announced by /drip: nobody waits for its end
	bombSize    = 10 << 20
	dripDefault = time.Second
)

// bomb is zeros, compressed to about a thousandth.
var bomb = sync.OnceValue(func() string {
	var compressed bytes.Buffer
	out := gzip.NewWriter(&compressed)
	_, _ = io.CopyN(out, zeros{}, bombSize) // a buffer takes everything
	_ = out.Close()
	return compressed.String()
})

func performTruncated(x *exchange) ending {
	x.send(response{body: filler[:10], length: 1000})
	return finish
}

func performTruncatedChunk(x *exchange) ending {
	return x.push(appendChunk(x.chunkedHead(""), "hello"), finish)
}

func performBadChunk(x *exchange) ending {
	return x.push(append(x.chunkedHead(""), "zz\r\nhello\r\n0\r\n\r\n"...), finish)
}

func performDrip(x *exchange) ending {
	interval, ok := x.duration("interval", dripDefault)
	if !ok || interval == 0 {
		return x.misused("interval=DURATION")
	}
	if !x.conn.write(x.head(response{length: dripLength})) {
		return finish
	}
	for range dripLength {
		if !x.conn.pause(interval) || !x.conn.write([]byte("x")) {
			return finish
		}
	}
	return x.after
}

func performEndless(x *exchange) ending {
	return x.flood(x.chunkedHead(""), appendChunk(nil, filler))
}

func performGzipBomb(x *exchange) ending {
	return x.reply(response{kind: "application/octet-stream", header: "Content-Encoding: gzip\r\n", body: bomb()})
}

// flood writes a beginning and then the same again and again, until the peer is gone or the oracle closes.
func (x *exchange) flood(beginning, again []byte) ending {
	for x.conn.write(beginning) {
		beginning = again
	}
	return finish
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
