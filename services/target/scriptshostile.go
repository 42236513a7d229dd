package target

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// invalid is not UTF-8: bytes that never occur in it, a continuation without a beginning and a beginning without its
// continuation.
const invalid = "\xff\xfe \x80 \xc3("

// escapes would, printed, ring, set a terminal's title, clear its screen and turn it red.
const escapes = "\a\x1b]0;owned\a\x1b[2J\x1b[31mred"

// Marks does as much with bytes that are allowed in a header: CSI and OSC as C1 controls, and marks that turn the direction of what
// follows or hide in it.
const Marks = "\u009b31m\u009d0;owned\u009c\u202egpj.exe\u2066\u200b\u2028"

// Escapes is a text with all of that, and a link that leads elsewhere than it says.
const Escapes = escapes + "\x1b]8;;http://evil.test/\x1b\\http://good.test/\x1b]8;;\x1b\\\x7f" + Marks

const (
	hugeDefault = 1 << 20 // more than clients take without being told to
	hugeLine    = 1 << 10
)

func performGarbage(x *exchange) ending {
	line := make([]byte, 32+rand.N(64))
	for i := range line {
		line[i] = byte(0x80 + rand.N(0x80)) // no H, and no end of the line
	}
	return x.push(append(line, "\r\n\r\n"...), finish)
}

func performGarbageStatus(x *exchange) ending {
	return x.push([]byte("HTTP/1.1 abc OK\r\nContent-Length: 3\r\n\r\nok\n"), finish)
}

func performHugeHead(x *exchange) ending {
	size, ok := x.number("bytes", hugeDefault)
	if !ok {
		return x.misused("bytes=N")
	}
	var header strings.Builder
	for i := 0; header.Len() < size; i++ {
		fmt.Fprintf(&header, "X-Filler-%d: %s\r\n", i, filler[:hugeLine])
	}
	huge := okay
	huge.header = header.String()
	return x.reply(huge)
}

func performInterimFlood(x *exchange) ending {
	again := bytes.Repeat([]byte("HTTP/1.1 100 Continue\r\n\r\n"), 256)
	return x.flood(again, again)
}

func performHostileHeader(x *exchange) ending {
	return x.reply(response{header: "X-Hostile: " + invalid + "\r\n", body: "ok\n"})
}

func performHostileReason(x *exchange) ending {
	return x.reply(response{status: http.StatusOK, reason: invalid, body: "ok\n"})
}

func performHostileBody(x *exchange) ending {
	return x.reply(response{body: "before " + invalid + " after\n"})
}

func performLatin1(x *exchange) ending {
	return x.reply(response{kind: "text/plain; charset=iso-8859-1", body: "caf\xe9 gr\xfc\xdfe\n"})
}

func performCutRune(x *exchange) ending {
	size, ok := x.number("bytes", 64)
	if !ok {
		return x.misused("bytes=N")
	}
	return x.reply(response{body: strings.Repeat("€", size/3+1)[:size]})
}

func performNUL(x *exchange) ending {
	return x.reply(response{body: "be\x00fore\x00\x00 after\n"})
}

func performEscape(x *exchange) ending {
	return x.reply(response{header: "X-Hostile: " + escapes + "\r\n", body: escapes + "\n"})
}

func performEscapeBody(x *exchange) ending {
	return x.reply(response{body: Escapes + "\n\tsecond line " + Escapes + "\n"})
}

func performEscapeReason(x *exchange) ending {
	return x.reply(response{status: http.StatusOK, reason: Escapes, body: "ok\n"})
}

func performEscapeHead(x *exchange) ending {
	return x.push([]byte(Escapes+"\r\n"+Escapes+": "+Escapes+"\r\n\r\n"), finish)
}

func performEscapeLocation(x *exchange) ending {
	return x.redirect(http.StatusFound, "ftp://"+Marks+"/"+Marks)
}

func performEscapeHeader(x *exchange) ending {
	return x.reply(response{header: "X-Hostile: " + Marks + "\r\n", body: "ok\n"})
}
