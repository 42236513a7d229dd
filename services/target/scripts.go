package target

import (
	"fmt"
	"net/http"
	"strings"
)

// script answers one request, or does not, and says what becomes of the connection.
type script func(x *exchange) ending

// scripts is what an oracle can do, by path. A name with a slash at its end takes the rest of the path as its argument.
// Arguments that cannot be read are answered with a 400, and unknown paths with a 404, both on a connection that goes on.
//
// Proper answers leave the body out for HEAD and close when the client asks for it; faults heed neither.
var scripts = map[string]script{
	// Proper answers.
	"/ok":        performOK,        // 200, "ok\n"
	"/echo":      performEcho,      // 200, the request as text: method, path, header lines in order, empty line, body
	"/status/":   performStatus,    // {code}, 200 to 999; no body with 204 and 304
	"/delay/":    performDelay,     // {duration}, then ok; not when the client leaves before
	"/bytes/":    performBytes,     // {n} times 'x', with a length
	"/chunked/":  performChunked,   // {n} chunks "chunk i\n", then the trailer X-Fanout-Chunks: n
	"/1xx/":      performInterim,   // {n} times 103, then ok
	ledgerPath:   performLedger,    // the ledger as JSON: total, distinct, duplicates (1000 at most); not counted itself
	"/http10":    performHTTP10,    // an HTTP/1.0 response that ends with the connection
	"/redirect/": performCountdown, // {n}: to /redirect/{n-1}; 0: ok

	// Redirects that lead nowhere good.
	"/redirect-loop":        performLoop,       // to itself
	"/redirect-pair/":       performPair,       // a: to b; b: to a
	"/redirect-to":          performRedirectTo, // ?url=…&status=302
	"/redirect-metadata":    performMetadata,   // to a cloud's metadata address
	"/redirect-no-location": performNoLocation, // 302 without a Location

	// Faults of the connection.
	"/close":            performClose,          // ok, then a FIN that nothing announced
	"/close-announced":  performCloseAnnounced, // ok with Connection: close, then a FIN
	"/close-on-next":    performCloseOnNext,    // ok; the connection's next request is read, recorded and met with a FIN
	"/reset-on-next":    performResetOnNext,    // ok; the connection's next request is read, recorded and met with a RST
	"/eof":              performEOF,            // FIN instead of an answer
	"/reset":            performReset,          // RST instead of an answer
	"/reset-in-head":    performResetInHead,    // half of the head, RST
	"/reset-after-head": performResetAfterHead, // the head, RST
	"/reset-in-body":    performResetInBody,    // the head and half of the body, RST
	"/stall":            performStall,          // nothing, until the client leaves or the oracle closes
	"/stall-in-head":    performStallInHead,    // half of the head, then nothing
	"/stall-in-body":    performStallInBody,    // the head and half of the body, then nothing
	"/unsolicited":      performUnsolicited,    // ?after=5ms: ok, later a response that nobody has asked for; 0: in one write

	// Faults of the body.
	"/truncated":       performTruncated,      // 10 bytes of 1000, FIN
	"/truncated-chunk": performTruncatedChunk, // FIN before the last chunk
	"/bad-chunk":       performBadChunk,       // a chunk whose size is no number
	"/drip":            performDrip,           // ?interval=1s: a byte each, of 1 GiB announced
	"/endless":         performEndless,        // chunks without end
	"/gzip-bomb":       performGzipBomb,       // 10 MiB of zeros in about 10 KB

	// Hostile bytes.
	"/garbage":          performGarbage,       // a random line that is not HTTP, FIN
	"/garbage-status":   performGarbageStatus, // a status that is no number, FIN
	"/huge-head":        performHugeHead,      // ?bytes=1048576: a header of at least that size
	"/1xx-flood":        performInterimFlood,  // 100 Continue without end
	"/hostile/header":   performHostileHeader, // invalid UTF-8 in a header's value
	"/hostile/reason":   performHostileReason, // invalid UTF-8 in the reason phrase
	"/hostile/body":     performHostileBody,   // invalid UTF-8 in the body
	"/hostile/latin1":   performLatin1,        // Latin-1, and said so
	"/hostile/cut-rune": performCutRune,       // ?bytes=64: that much of "€€€…", three bytes each
	"/hostile/nul":      performNUL,           // NUL bytes in the body
	"/hostile/escape":   performEscape,        // terminal escape sequences in a header's value and the body

	"/hostile/escape-body":     performEscapeBody,     // in the body alone, with C1 controls and marks that turn the direction too
	"/hostile/escape-reason":   performEscapeReason,   // in the reason phrase
	"/hostile/escape-head":     performEscapeHead,     // in the place of a status line
	"/hostile/escape-location": performEscapeLocation, // in a redirect's Location: C1 controls and marks, which may stand there
	"/hostile/escape-header":   performEscapeHeader,   // in a header's value, likewise
}

// findScript returns the path's script and its argument.
func findScript(path string) (perform script, arg string) {
	if perform, found := scripts[path]; found {
		return perform, ""
	}
	cut := strings.LastIndexByte(path, '/') + 1
	if perform, found := scripts[path[:cut]]; found {
		return perform, path[cut:]
	}
	return performUnknown, ""
}

func performUnknown(x *exchange) ending {
	return x.reply(response{status: http.StatusNotFound, body: "no such script\n"})
}

// misused tells a test's author what was wrong with a script's argument.
func (x *exchange) misused(want string) ending {
	return x.reply(response{status: http.StatusBadRequest, body: fmt.Sprintf("%s wants %s\n", x.path, want)})
}
