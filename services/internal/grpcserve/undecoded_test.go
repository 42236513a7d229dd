package grpcserve

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// bytesCodec sends bytes as they are, and reads nothing.
type bytesCodec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// Unmarshal implements encoding.CodecV2.
func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// Name implements encoding.CodecV2.
func (bytesCodec) Name() string { return "proto" }

// Whoever may not call has nothing of the call's message decoded: one that cannot be, or that is too long, is met with the same refusal.
func TestWhoIsRefusedHasNothingDecoded(t *testing.T) {
	t.Parallel()
	control, byRole, _ := tokens(t)
	g := serveGuarded(t, Security{Access: control})
	conn := g.dial(t, insecure.NewCredentials())
	codec := grpc.ForceCodecV2(bytesCodec{})
	for name, message := range map[string][]byte{"no message": {0xff, 0xff}, "too long": make([]byte, 5<<20)} {
		for token, want := range map[string]codes.Code{"": codes.Unauthenticated, byRole["reader"]: codes.PermissionDenied} {
			ctx := t.Context()
			if token != "" {
				ctx = with(ctx, "Bearer "+token)
			}
			if err := conn.Invoke(ctx, "/fanout.v1.CoordinatorService/CreateRun", message, new(any), codec); status.Code(err) != want {
				t.Errorf("CreateRun with %s = %v, want %v", name, err, want)
			}
			stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/fanout.v1.WorkerService/FanOut", codec)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(message); err != nil && !errors.Is(err, io.EOF) {
				t.Errorf("SendMsg = %v", err)
			}
			if err := stream.RecvMsg(new(any)); status.Code(err) != want {
				t.Errorf("FanOut with %s = %v, want %v", name, err, want)
			}
		}
		err := conn.Invoke(with(t.Context(), "Bearer "+byRole["runner"]), "/fanout.v1.CoordinatorService/CreateRun", message, new(any), codec)
		if code := status.Code(err); code != codes.Internal && code != codes.ResourceExhausted {
			t.Errorf("CreateRun with %s by who may = %v, want it refused as what it is", name, err)
		}
	}
}
