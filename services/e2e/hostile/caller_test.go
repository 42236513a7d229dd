package hostile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// A thousand calls at once on one connection: each ends with a result, or is refused and told to come back.
func TestAThousandStreamsOnOneConnection(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	client := v.client(t)
	var finished, full atomic.Int64
	v.meanwhile(t, func() {
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: short()})
				if err != nil {
					t.Errorf("FanOut = %v", err)
					return
				}
				a := account{t: t}
				switch err := a.read(stream); status.Code(err) {
				case codes.OK:
					a.end()
					finished.Add(1)
				case codes.ResourceExhausted:
					refused(t, err)
					full.Add(1)
				default:
					t.Errorf("a stream ended with %v", err)
				}
			})
		}
		all.Wait()
	})
	if finished.Load() == 0 || finished.Load()+full.Load() != 1000 {
		t.Errorf("%d calls were carried out and %d refused, want 1000 together, some of them carried out", finished.Load(), full.Load())
	}
	v.wantIdle(t)
}

// Connections that never finish a handshake keep nobody else away, and are dropped.
func TestSlowHandshakes(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the server's patience with a handshake to end")
	}
	t.Parallel()
	v := startVictim(t)
	var settings bytes.Buffer
	_ = http2.NewFramer(&settings, nil).WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}) // a buffer takes everything
	preface := http2.ClientPreface
	v.meanwhile(t, func() {
		var all sync.WaitGroup
		for _, said := range []string{"", "P", preface[:10], preface, preface + settings.String()[:9], "\x16\x03\x01\x02\x00\x01", "GET / HTTP/1.1\r\n"} {
			for range 30 {
				c := v.raw(t)
				all.Go(func() {
					if _, err := io.WriteString(c, said); err != nil {
						return // dropped already: it is no HTTP/2
					}
					const most = 30 * time.Second // three times the server's patience
					_ = c.SetReadDeadline(time.Now().Add(most))
					if _, err := io.Copy(io.Discard, c); errors.As(err, new(net.Error)) && err.(net.Error).Timeout() {
						t.Errorf("a connection that said %q and no more is still open", said)
					}
				})
			}
		}
		all.Wait()
	})
}

func TestGiantMetadata(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	client := v.client(t)
	v.meanwhile(t, func() {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-giant", strings.Repeat("g", 128<<10))
		if _, err := client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{}); err == nil {
			t.Error("a call with 128 KiB of metadata was served")
		}
	})
}

// A message beyond 4 MiB is refused, and one of hundreds of thousands of parts is refused for what is in it.
func TestGiantMessages(t *testing.T) {
	t.Parallel()
	const parts = 100_000
	v := startVictim(t)
	client := v.client(t)
	huge := short()
	huge.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: make([]byte, 5<<20)}}
	if _, err := first(client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: huge})); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("FanOut with 5 MiB = %v, want RESOURCE_EXHAUSTED", err)
	}
	for _, tt := range []struct {
		name    string
		request *fanoutv1.FanOutRequest
	}{
		{"requests", &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{Requests: repeated(parts, &fanoutv1.Request{})}}},
		{"headers", &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: "http://x/", Headers: repeated(parts, &fanoutv1.Header{})}}}}},
		{"stages", &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{
			Requests: short().GetRequests(),
			Load: &fanoutv1.Load{Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
				Stages: repeated(parts, &fanoutv1.Stage{}),
			}}},
		}}},
		{"grants", &fanoutv1.FanOutRequest{Plan: short(), Shard: &fanoutv1.Shard{RunId: "r", ShardId: "s", Concurrency: 1, Grants: repeated(parts, &fanoutv1.Grant{})}}},
	} {
		if size := proto.Size(tt.request); size > 4<<20 {
			t.Fatalf("%s: the message has %d bytes", tt.name, size)
		}
		_, err := first(client.FanOut(t.Context(), tt.request))
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("FanOut with %d %s = %v, want INVALID_ARGUMENT", parts, tt.name, err)
		}
		refused(t, err)
	}
	v.wantServed(t, client)
}

func repeated[M any](n int, m M) []M {
	all := make([]M, n)
	for i := range all {
		all[i] = m
	}
	return all
}

// first is the first message of a stream.
func first[M any](stream interface{ Recv() (*M, error) }, err error) (*M, error) {
	if err != nil {
		return nil, err
	}
	return stream.Recv()
}

// peer speaks HTTP/2 by hand.
type peer struct {
	*http2.Framer
	conn   net.Conn
	head   []byte // of a call of FanOut
	stream uint32
	gone   chan struct{} // closed when the server has closed the connection
}

func (v *victim) peer(t *testing.T) *peer {
	t.Helper()
	c := v.raw(t)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":path", "/fanout.v1.WorkerService/FanOut"},
		{":authority", "x"},
		{"te", "trailers"},
		{"content-type", "application/grpc"},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // a buffer takes everything
	}
	p := &peer{Framer: http2.NewFramer(c, c), conn: c, head: head.Bytes(), stream: 1, gone: make(chan struct{})}
	if err := p.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go func() { // what the server says is read, so that it can say more
		defer close(p.gone)
		_, _ = io.Copy(io.Discard, c)
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-p.gone
	})
	return p
}

// Streams that are opened and reset as fast as possible (CVE-2023-44487): with a request, so that a call begins each time.
func TestRapidReset(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	length := 5 * time.Second
	if testing.Short() {
		length = 500 * time.Millisecond
	}
	body, err := proto.Marshal(&fanoutv1.FanOutRequest{Plan: endless(time.Hour, 0)})
	if err != nil {
		t.Fatal(err)
	}
	message := append([]byte{0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	opened := 0
	v.meanwhile(t, func() {
		for end := time.Now().Add(length); time.Now().Before(end); {
			p := v.peer(t)
			for err := error(nil); err == nil && time.Now().Before(end); p.stream += 2 {
				err = errors.Join(
					p.WriteHeaders(http2.HeadersFrameParam{StreamID: p.stream, BlockFragment: p.head, EndHeaders: true}),
					p.WriteData(p.stream, true, message),
					p.WriteRSTStream(p.stream, http2.ErrCodeCancel))
				opened++
			}
			_ = p.conn.Close()
		}
	})
	if opened < 100 {
		t.Errorf("%d streams were opened only", opened)
	}
	v.wantIdle(t)
}

// A head that never ends (CVE-2023-45288) is not read for ever.
func TestAHeadWithoutEndIsCut(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	v.meanwhile(t, func() {
		p := v.peer(t)
		err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.head})
		const most = 16 << 20                                                               // the limit is 64 KiB, and the rest is on its way
		field := append([]byte("\x00\x01a\x7f\x81\x7f"), bytes.Repeat([]byte("v"), 256)...) // a: vvv…, not indexed
		more := bytes.Repeat(field, 60)
		written := 0
		for ; err == nil && written < most; written += len(more) {
			err = p.WriteContinuation(1, false, more)
		}
		if written >= most {
			t.Errorf("the server has taken %d bytes of one head", written)
		}
	})
}
