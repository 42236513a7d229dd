package enginetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// comparable is an outcome without its times, which differ.
func comparable(o outcome.Outcome) outcome.Outcome {
	o.Due, o.Lateness, o.FirstByte, o.Service = 0, 0, min(o.FirstByte, 1), 0
	if o.Connection != nil {
		o.Connection = &outcome.Connection{Protocol: o.Connection.Protocol, Peer: o.Connection.Peer}
	}
	o.Headers = slices.DeleteFunc(o.Headers, func(h outcome.Header) bool { return h.Name == "Date" })
	return o
}

// endsUnannounced is the scripts that answer HEAD properly and then end the connection.
var endsUnannounced = map[string]bool{
	"/truncated": true, "/truncated-chunk": true, "/bad-chunk": true, "/reset-after-head": true, "/reset-in-body": true,
}

// Whole outcomes are the same on both engines for every script: of the slot that opens the connection, and of those after it.
func TestEnginesAreAlikeOnEveryScript(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, script := range []string{
		"/ok", "/echo?a=b", "/status/200", "/status/204", "/status/304", "/status/404", "/status/503", "/status/999", "/delay/1ms", "/bytes/0",
		"/bytes/1000", "/bytes/1000000", "/chunked/0", "/chunked/5", "/chunked/2000", "/1xx/1", "/1xx/100", "/http10", "/redirect/0", "/redirect/3",
		"/redirect/4", "/redirect-loop", "/redirect-pair/a", "/redirect-to?url=/echo&status=301", "/redirect-to?url=/echo&status=303",
		"/redirect-to?url=/echo&status=307", "/redirect-to?url=ftp://x/", "/redirect-to?url=http://169.254.169.254/", "/redirect-metadata",
		"/redirect-no-location", "/close-announced", "/close-on-next", "/reset-on-next", "/eof", "/reset", "/reset-in-head", "/reset-after-head",
		"/reset-in-body", "/stall", "/stall-in-head", "/stall-in-body", "/truncated", "/truncated-chunk", "/bad-chunk", "/drip", "/gzip-bomb",
		"/garbage", "/garbage-status", "/huge-head", "/huge-head?bytes=60000", "/1xx-flood", "/hostile/header", "/hostile/reason", "/hostile/body",
		"/hostile/latin1", "/hostile/cut-rune", "/hostile/nul", "/hostile/escape", "/no-such-script",
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(method+" "+script, func(t *testing.T) {
				t.Parallel()
				p := planFor(o.URL() + script)
				p.Requests[0].Method = method
				if method == "POST" {
					p.Requests[0].Body = []byte("hello")
				}
				slots := int64(3)
				if strings.HasPrefix(script, "/stall") || script == "/drip" {
					slots, p.Requests[0].Timeout = 1, 300*time.Millisecond
				}
				if method == "HEAD" && endsUnannounced[script] {
					slots = 1 // whether a second one meets the end or a new connection is a race
				}
				var senders []*sender
				for _, e := range engines {
					senders = append(senders, e.newSender(t, p, nil))
				}
				for slot := range slots {
					own, std := comparable(send(t, senders[0], slot)), comparable(send(t, senders[1], slot))
					if !reflect.DeepEqual(own, std) {
						t.Errorf("slot %d:\nhttp1 %+v, body %+v\nstd   %+v, body %+v", slot, own, own.Body, std, std.Body)
					}
					if own.Error == outcome.Other {
						t.Errorf("slot %d has no class: %s", slot, own.Message)
					}
				}
			})
		}
	}
}

// speaker is a server that answers the request on each connection with what it is told, and closes.
func speaker(t *testing.T) (address string, say chan<- string) {
	told := make(chan string, 1)
	return serveEach(t, func(c net.Conn) {
		var request []byte
		for part := make([]byte, 1000); !strings.HasSuffix(string(request), "\r\n\r\n"); {
			n, err := c.Read(part)
			if request = append(request, part[:n]...); err != nil {
				break
			}
		}
		_, _ = io.WriteString(c, <-told)
	}), told
}

// The same for responses of all shapes: here the reference is what net/http's transport does with them on a connection, and not
// what the fuzzers of package http1 say that it would do.
func TestEnginesAreAlikeOnAllShapes(t *testing.T) {
	t.Parallel()
	address, say := speaker(t)
	p := planFor("http://" + address + "/")
	p.Requests = append(p.Requests, p.Requests[0])
	p.Requests[1].Method = "HEAD"
	p.Outcomes.BodyBytes, p.HTTP.RequestsPerConnection = 1<<20, 1
	var senders []*sender
	for _, e := range engines {
		senders = append(senders, e.newSender(t, p, nil))
	}
	for i, response := range Responses() {
		for request := range int32(2) {
			var outcomes []outcome.Outcome
			for _, sender := range senders {
				say <- response
				got := outcome.Outcome{Slot: int64(i), Request: request}
				sender.Send(context.Background(), &got)
				outcomes = append(outcomes, comparable(got))
			}
			if !reflect.DeepEqual(outcomes[0], outcomes[1]) {
				t.Errorf("%s of %s:\nhttp1 %+v, body %+v\nstd   %+v, body %+v", p.Requests[request].Method, short(response),
					outcomes[0], outcomes[0].Body, outcomes[1], outcomes[1].Body)
			}
		}
	}
}

func short(response string) string { return fmt.Sprintf("%.200q", response) }
