// Package enginetest holds both HTTP engines against every script of the oracle target: what a slot comes to must not depend
// on which of them sends it. All but the responses that the engines' own tests need too is in its test files.
package enginetest

import "strings"

const (
	crlf = "\r\n"
	ok11 = "HTTP/1.1 200 OK" + crlf
	te   = "Transfer-Encoding: chunked" + crlf
)

// Heads is heads of all shapes, plain, odd and malformed; those of one kind beside each other.
var Heads = []string{
	// status lines
	ok11 + crlf, "HTTP/1.1 200" + crlf + crlf, "HTTP/1.1 200 " + crlf + crlf, "HTTP/1.1 200\n\n", "HTTP/1.1  200 OK" + crlf + crlf,
	"HTTP/1.1 2000 OK" + crlf + crlf, "HTTP/1.1 20 OK" + crlf + crlf, "HTTP/1.1 099 OK" + crlf + crlf, "HTTP/1.1 +20 OK" + crlf + crlf,
	"HTTP/1.1 -01 OK" + crlf + crlf, "HTTP/1.1 -00 OK" + crlf + crlf, "HTTP/1.1 000 OK" + crlf + crlf, "HTTP/1.1 999 x" + crlf + crlf,
	"HTTP/1.1 abc OK" + crlf + crlf, "HTTP/1.1\t200 OK" + crlf + crlf, "HTTP/1.1 200\tOK" + crlf + crlf, "http/1.1 200 OK" + crlf + crlf,
	"HTTP/1.1 200 \xff\x00\r\x1b" + crlf + crlf, "HTTP/1.0 200 OK" + crlf + crlf, "HTTP/0.9 200 OK" + crlf + crlf,
	"HTTP/2.0 200 OK" + crlf + crlf, "HTTP/1.2 200 OK" + crlf + crlf, "HTTP/1.1x 200 OK" + crlf + crlf, "HTTP/11 200 OK" + crlf + crlf,
	crlf + ok11 + crlf, " " + ok11 + crlf, "\x00\xff", "SSH-2.0-OpenSSH_9.9" + crlf, "<html>\n\n", "", "H", "HTTP/1.1 200 OK", ok11, "\n", "\r",
	// lengths
	ok11 + "Content-Length: 5" + crlf + crlf, ok11 + "content-LENGTH:5" + crlf + crlf, ok11 + "Content-Length: \t 5 \t" + crlf + crlf,
	ok11 + "Content-Length: +5" + crlf + crlf, ok11 + "Content-Length: -5" + crlf + crlf, ok11 + "Content-Length: 0x5" + crlf + crlf,
	ok11 + "Content-Length: 5, 5" + crlf + crlf, ok11 + "Content-Length: 5 5" + crlf + crlf, ok11 + "Content-Length:" + crlf + crlf,
	ok11 + "Content-Length: 5" + crlf + "Content-Length: 5" + crlf + crlf, ok11 + "Content-Length: 5" + crlf + "Content-Length: 6" + crlf + crlf,
	ok11 + "Content-Length: 5" + crlf + "content-length: 05" + crlf + crlf, ok11 + "Content-Length: 0" + crlf + crlf,
	ok11 + "Content-Length: 999999999999999999" + crlf + crlf, ok11 + "Content-Length: 9223372036854775807" + crlf + crlf,
	ok11 + "Content-Length: 9223372036854775808" + crlf + crlf, ok11 + "Content-Length: 00000000000000000000005" + crlf + crlf,
	ok11 + "Content-Length: 5\r" + crlf + crlf, ok11 + "Content-Length\x00: 5" + crlf + crlf, ok11 + "Content-Length: 5\x00" + crlf + crlf,
	// encodings
	ok11 + te + crlf, ok11 + "transfer-encoding:CHUNKED" + crlf + crlf, ok11 + te + "Content-Length: 5" + crlf + crlf,
	ok11 + te + "Content-Length: x" + crlf + crlf, ok11 + te + te + crlf, ok11 + "Transfer-Encoding: gzip, chunked" + crlf + crlf,
	ok11 + "Transfer-Encoding: identity" + crlf + crlf, ok11 + "Transfer-Encoding:" + crlf + crlf, ok11 + "Transfer-Encoding: chunked " + crlf + crlf,
	ok11 + "Transfer-Encoding: \vchunked" + crlf + crlf, ok11 + "Transfer-Encoding : chunked" + crlf + crlf,
	"HTTP/1.0 200 OK" + crlf + te + crlf, "HTTP/1.0 200 OK" + crlf + te + "Content-Length: 5" + crlf + crlf,
	ok11 + te + "Trailer: X-A" + crlf + crlf, ok11 + te + "Trailer: Content-Length" + crlf + crlf, ok11 + "Trailer: Content-Length" + crlf + crlf,
	// statuses without a body
	"HTTP/1.1 204 No Content" + crlf + crlf, "HTTP/1.1 304 Not Modified" + crlf + "Content-Length: 5" + crlf + crlf,
	"HTTP/1.1 204 No Content" + crlf + te + crlf, "HTTP/1.1 304 Not Modified" + crlf + "Content-Length: x" + crlf + crlf,
	"HTTP/1.1 100 Continue" + crlf + crlf, "HTTP/1.1 103 Early Hints" + crlf + "Content-Length: 5" + crlf + "Link: </a>" + crlf + crlf,
	"HTTP/1.1 101 Switching Protocols" + crlf + "Connection: upgrade" + crlf + "Upgrade: x" + crlf + crlf, "HTTP/1.1 199 x" + crlf + te + crlf,
	// what becomes of the connection
	ok11 + "Connection: close" + crlf + crlf, ok11 + "connection:CLOSE" + crlf + crlf, ok11 + "Connection: keep-alive" + crlf + crlf,
	ok11 + "Connection: keep-alive, close" + crlf + crlf, ok11 + "Connection: x,close ,y" + crlf + crlf, ok11 + "Connection: closed" + crlf + crlf,
	ok11 + "Connection: keep-alive" + crlf + "Connection: close" + crlf + crlf, ok11 + "Connection:" + crlf + crlf,
	"HTTP/1.0 200 OK" + crlf + "Connection: keep-alive" + crlf + "Content-Length: 5" + crlf + crlf, ok11 + "Proxy-Connection: close" + crlf + crlf,
	"HTTP/1.0 200 OK" + crlf + "Connection: keep-alive, close" + crlf + "Content-Length: 5" + crlf + crlf,
	// lines
	ok11 + "A: b\r\n c" + crlf + crlf, ok11 + "A: b\r\n \r\n\t\r\n" + crlf, ok11 + " A: b" + crlf + crlf, ok11 + "\t" + crlf + crlf, ok11 + " " + crlf,
	ok11 + "Content-Length:\r\n 5" + crlf + crlf, ok11 + "Content-Length: 1\r\n 5" + crlf + crlf, ok11 + "Transfer-Encoding:\r\n\tchunked" + crlf + crlf,
	"HTTP/1.1 200 OK\nContent-Length: 5\n\n", ok11 + "A: b\n\r\n", ok11 + "A: b\n\n", ok11 + "A: b\r\r\n" + crlf, ok11 + "A: b\rc" + crlf + crlf,
	ok11 + "A : b" + crlf + crlf, ok11 + "A\t: b" + crlf + crlf, ok11 + ": b" + crlf + crlf, ok11 + "A" + crlf + crlf, ok11 + "A\r\n : b" + crlf + crlf,
	ok11 + "A(: b" + crlf + crlf, ok11 + "\xff: b" + crlf + crlf, ok11 + "A: \x00" + crlf + crlf, ok11 + "A: \x7f" + crlf + crlf,
	ok11 + "A: \x1f" + crlf + crlf, ok11 + "A: \t\xff\x80" + crlf + crlf, ok11 + "A: 12345678\x0112345678" + crlf + crlf, ok11 + "A: b" + crlf + "\r\r\n",
	ok11 + "A:" + strings.Repeat(" ", 300) + crlf + crlf, ok11 + strings.Repeat("A: b"+crlf, 40) + crlf, ok11 + "A: " + strings.Repeat("b", 5000) + crlf + crlf,
	ok11 + "Pragma: no-cache" + crlf + "Date: Thu, 01 Jan 1970 00:00:00 GMT" + crlf + "Server: nginx/1.22.1" + crlf + "Content-Length: 5" + crlf + crlf,
}

// bodies is what follows heads, whole, in pieces that fit no head, and broken.
var bodies = []string{
	"", "hello", "hell", "hello, and more", crlf, "5" + crlf + "hello" + crlf + "0" + crlf + crlf, "0" + crlf + crlf, "0" + crlf, "0",
	"5;a=b;c" + crlf + "hello" + crlf + "0;x" + crlf + crlf, "5 " + crlf + "hello" + crlf + "0\t" + crlf + crlf, "5 ;a" + crlf + "hello" + crlf,
	"5\nhello\n0\n\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "zz\r\n", "\r\n", ";\r\n", "-1\r\n", "0x5\r\nhello\r\n",
	"A\r\n0123456789\r\na\r\n0123456789\r\n00000\r\n\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r",
	"0\r\nA: b\r\n\r\n", "0\r\nA: b\r\nC:\r\n d\r\n\r\n", "0\r\nA\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA: b\n\nmore\r\n\r\n", "0\r\n\n\r\n\r\n", "0\r\nA: b\r\n", "0\r\n\r\nmore",
	"0\r\nA: " + strings.Repeat("b", 4080) + "\r\n\r\n", "0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n", "5;" + strings.Repeat("x", 4090) + "\r\nhello\r\n0\r\n\r\n",
	"5;" + strings.Repeat("x", 4092) + "\r\nhello\r\n0\r\n\r\n", strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\nx\r\n", 10) + "0\r\n\r\n",
	"7fffffffffffffff\r\nx", "ffffffffffffffff\r\nx", "4000000000000000\r\nx", "4000000000000002\r\nx", "8000000000000000\r\nx", "10000000000000000\r\nx",
	"c00\r\n" + strings.Repeat("x", 0xc00) + "\r\n0\r\n\r\n", strings.Repeat("x", 5000), ok11 + crlf, "HTTP/1.1 100 Continue" + crlf + crlf,
}

// Responses is whole responses: each head with what could follow it, and interim ones before; and heads that are cut.
func Responses() (all []string) {
	const interim = "HTTP/1.1 100 Continue" + crlf + crlf + "HTTP/1.1 103 Early Hints" + crlf + "Link: </a>" + crlf + crlf
	for i, head := range Heads {
		all = append(all, head+bodies[i%len(bodies)], strings.TrimSuffix(head, crlf), strings.TrimSuffix(head, crlf)+"X")
	}
	for i, body := range bodies {
		all = append(all, ok11+te+crlf+body, ok11+"Content-Length: 5"+crlf+crlf+body, ok11+crlf+body, interim+Heads[i%len(Heads)]+body)
	}
	return append(all, interim, strings.Repeat("HTTP/1.1 100 Continue"+crlf+crlf, 3000))
}
