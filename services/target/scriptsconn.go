package target

import "time"

// settle is the pause between bytes and a reset that is to hit after them. The peer must have them first: some systems
// throw away what was received and not yet read when the reset comes, and the fault would be another one.
const settle = 5 * time.Millisecond

// halved is the answer of the scripts that stop in its middle.
var halved = response{body: "0123456789abcdefghij\n"}

func performClose(x *exchange) ending {
	x.send(okay)
	return finish
}

func performCloseAnnounced(x *exchange) ending {
	x.persistence = "Connection: close\r\n"
	x.send(okay)
	return finish
}

func performCloseOnNext(x *exchange) ending {
	x.conn.fate = finish
	return x.reply(okay)
}

func performResetOnNext(x *exchange) ending {
	x.conn.fate = reset
	return x.reply(okay)
}

func performEOF(*exchange) ending { return finish }

func performReset(*exchange) ending { return reset }

func performResetInHead(x *exchange) ending {
	head := x.head(halved)
	return x.resetAfter(head[:len(head)/2])
}

func performResetAfterHead(x *exchange) ending {
	return x.resetAfter(x.head(halved))
}

func performResetInBody(x *exchange) ending {
	return x.resetAfter(x.headAndHalf())
}

func performStall(x *exchange) ending { return x.conn.stall() }

func performStallInHead(x *exchange) ending {
	head := x.head(halved)
	return x.stallAfter(head[:len(head)/2])
}

func performStallInBody(x *exchange) ending {
	return x.stallAfter(x.headAndHalf())
}

// performUnsolicited sends a whole second response, because that is the worst that can be found on an idle connection: a
// client that does not look before it writes takes it for the answer to its next request.
func performUnsolicited(x *exchange) ending {
	after, ok := x.duration("after", settle)
	if !ok {
		return x.misused("after=DURATION")
	}
	const extra = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nunsolicited\n"
	if after == 0 {
		out := append(x.head(okay), okay.body...)
		return x.push(append(out, extra...), keep)
	}
	if !x.send(okay) || !x.conn.pause(after) {
		return finish
	}
	return x.push([]byte(extra), keep)
}

// headAndHalf returns the halved answer's head and half of its body.
func (x *exchange) headAndHalf() []byte {
	return append(x.head(halved), halved.body[:len(halved.body)/2]...)
}

func (x *exchange) resetAfter(out []byte) ending {
	x.conn.write(out)
	x.conn.pause(settle)
	return reset
}

func (x *exchange) stallAfter(out []byte) ending {
	x.conn.write(out)
	return x.conn.stall()
}
