package grpcserve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/logtest"
)

// guarded is a server of both services, of which none does anything, and where it listens.
type guarded struct {
	*Server
	l   *bufconn.Listener
	log *logtest.Log
}

func serveGuarded(t *testing.T, security Security) *guarded {
	t.Helper()
	g := &guarded{l: bufconn.Listen(1 << 16), log: new(logtest.Log)}
	g.Server = New(slog.New(slog.NewTextHandler(g.log, nil)), security)
	fanoutv1.RegisterWorkerServiceServer(g, fanoutv1.UnimplementedWorkerServiceServer{})
	fanoutv1.RegisterCoordinatorServiceServer(g, fanoutv1.UnimplementedCoordinatorServiceServer{})
	done := make(chan error, 1)
	go func() { done <- g.Serve(g.l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v", err)
		}
	})
	return g
}

func (g *guarded) dial(t *testing.T, transport credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///server.test", grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return g.l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call calls a method, whose answer nobody reads, and returns its error.
func call(ctx context.Context, conn *grpc.ClientConn, method string, streams bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !streams {
		return conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.HasSuffix(method, "/Watch") { // it goes on
		return nil
	}
	return stream.RecvMsg(&emptypb.Empty{})
}

// with is a context whose calls carry the values as authorization.
func with(ctx context.Context, values ...string) context.Context {
	for _, value := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return ctx
}

// tokens is a file of tokens with one of each role, and the tokens by the role's name.
func tokens(t *testing.T) (*access.Control, map[string]string, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	byRole := map[string]string{}
	for _, role := range []access.Role{access.Reader, access.Runner, access.Admin} {
		token := access.NewToken()
		byRole[role.String()] = token
		if err := access.Add(path, access.Entry{Name: "the-" + role.String(), Role: role, Hash: access.HashOf(token)}); err != nil {
			t.Fatal(err)
		}
	}
	file, err := access.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &access.Control{Tokens: file}, byRole, path
}

// needs is who may call what, written once more: least is the least role that may, "" everybody.
var needs = map[string]string{
	"fanout.v1.WorkerService/GetWorker": "reader", "fanout.v1.WorkerService/FanOut": "runner", "fanout.v1.WorkerService/StopFanOut": "runner",
	"fanout.v1.WorkerService/RenewLease": "runner", "fanout.v1.WorkerService/StopAll": "admin",
	"fanout.v1.CoordinatorService/GetRun": "reader", "fanout.v1.CoordinatorService/ListRuns": "reader",
	"fanout.v1.CoordinatorService/ListRunIntervals": "reader", "fanout.v1.CoordinatorService/WatchRun": "reader",
	"fanout.v1.CoordinatorService/VerifyRun": "reader", "fanout.v1.CoordinatorService/ListWorkers": "reader",
	"fanout.v1.CoordinatorService/CreateRun": "runner", "fanout.v1.CoordinatorService/CancelRun": "runner",
	"fanout.v1.CoordinatorService/DeleteRun": "runner", "fanout.v1.CoordinatorService/StopAll": "admin",
	"grpc.health.v1.Health/Check": "", "grpc.health.v1.Health/Watch": "", "grpc.health.v1.Health/List": "",
	"grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      "reader",
	"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "reader",
}

// Every method of every service that a server has, called by every role.
func TestRolesAndMethods(t *testing.T) {
	t.Parallel()
	control, byRole, _ := tokens(t)
	g := serveGuarded(t, Security{Access: control})
	conn := g.dial(t, insecure.NewCredentials())
	ranks := []string{"", "reader", "runner", "admin"}
	tested := 0
	for service, info := range g.GetServiceInfo() {
		for _, method := range info.Methods {
			name := service + "/" + method.Name
			least, ok := needs[name]
			if _, listed := access.Needed("/" + name); !ok || !listed {
				t.Errorf("%s is in no table of who may call it", name)
				continue
			}
			tested++
			for rank, role := range ranks {
				ctx := t.Context()
				if role != "" {
					ctx = with(ctx, "Bearer "+byRole[role])
				}
				err := call(ctx, conn, "/"+name, method.IsServerStream)
				want := codes.OK // or what the service itself says
				switch {
				case role == "" && least != "":
					want = codes.Unauthenticated
				case rank < rankOf(ranks, least):
					want = codes.PermissionDenied
				}
				got := status.Code(err)
				if refused := got == codes.Unauthenticated || got == codes.PermissionDenied; refused != (want != codes.OK) || refused && got != want {
					t.Errorf("%s as %q = %v, want %v", name, role, err, want)
				}
				if want == codes.PermissionDenied {
					wantInfo(t, err, "ROLE_TOO_LOW", "the-"+role, role, name, least)
				}
				if want == codes.Unauthenticated {
					wantInfo(t, err, "UNAUTHENTICATED", "authorization: Bearer TOKEN")
				}
			}
		}
	}
	if tested != len(needs) {
		t.Errorf("%d methods are served, and %d are in the table", tested, len(needs))
	}
}

func rankOf(ranks []string, role string) int {
	for i := range ranks {
		if ranks[i] == role {
			return i
		}
	}
	return -1
}

// wantInfo checks the reason, and that the text has the words.
func wantInfo(t *testing.T, err error, reason string, words ...string) {
	t.Helper()
	s := status.Convert(err)
	found := false
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		found = found || ok && info.GetReason() == reason && info.GetDomain() == "fanout.v1"
	}
	if !found {
		t.Errorf("%v has %v, want ErrorInfo with %s", err, s.Details(), reason)
	}
	for _, word := range words {
		if !strings.Contains(s.Message(), word) {
			t.Errorf("error = %q, want it to name %q", s.Message(), word)
		}
	}
}

// unlisted is a service that no table has.
var unlisted = grpc.ServiceDesc{
	ServiceName: "test.Unlisted", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: func(_ any, ctx context.Context, _ func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		return chain(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/test.Unlisted/Do"}, func(context.Context, any) (any, error) {
			return &emptypb.Empty{}, nil
		})
	}}},
}

// A method that is in no table is open to nobody, also not to an admin.
func TestWhatIsNotListedIsClosed(t *testing.T) {
	t.Parallel()
	control, byRole, _ := tokens(t)
	for _, tt := range []struct {
		security Security
		want     codes.Code
	}{{Security{Access: control}, codes.PermissionDenied}, {Security{}, codes.OK}} {
		g := &guarded{l: bufconn.Listen(1 << 16), log: new(logtest.Log)}
		g.Server = New(slog.New(slog.DiscardHandler), tt.security)
		g.RegisterService(&unlisted, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = g.Serve(g.l)
		}()
		err := call(with(t.Context(), "Bearer "+byRole["admin"]), g.dial(t, insecure.NewCredentials()), "/test.Unlisted/Do", false)
		if status.Code(err) != tt.want {
			t.Errorf("Do as an admin = %v, want %v", err, tt.want)
		}
		g.Stop()
		<-done
	}
}

const getWorker = "/fanout.v1.WorkerService/GetWorker"

// Whatever is wrong with what a caller shows: the refusal is the same to the byte, and neither it nor the log has any of it.
func TestRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	control, byRole, _ := tokens(t)
	g := serveGuarded(t, Security{Access: control})
	conn := g.dial(t, insecure.NewCredentials())
	admin := byRole["admin"]
	var first []byte
	for name, values := range map[string][]string{
		"nothing":             nil,
		"empty":               {""},
		"no scheme":           {admin},
		"basic":               {"Basic " + admin},
		"bearer alone":        {"Bearer"},
		"an empty token":      {"Bearer "},
		"two spaces":          {"Bearer  " + admin},
		"unknown":             {"Bearer " + access.NewToken()},
		"cut":                 {"Bearer " + admin[:len(admin)-1]},
		"with more behind it": {"Bearer " + admin + "a"},
		"two":                 {"Bearer " + admin, "Bearer " + admin},
		"the hash":            {"Bearer " + fmt.Sprintf("%x", access.HashOf(admin))},
		"huge":                {"Bearer " + strings.Repeat(admin, 50)},
		"with a line's end":   {"Bearer " + admin + "\t\x7f"},
	} {
		err := call(with(t.Context(), values...), conn, getWorker, false)
		if status.Code(err) == codes.Internal && name == "with a line's end" {
			continue // gRPC's own client does not send it
		}
		encoded, marshalError := proto.MarshalOptions{Deterministic: true}.Marshal(status.Convert(err).Proto())
		if marshalError != nil {
			t.Fatal(marshalError)
		}
		if first == nil {
			first = encoded
		}
		if status.Code(err) != codes.Unauthenticated || !bytes.Equal(encoded, first) {
			t.Errorf("%s: call = %v, want the same UNAUTHENTICATED as for all", name, err)
		}
		if strings.Contains(err.Error(), admin[:20]) {
			t.Errorf("%s: call = %v, want nothing of the token", name, err)
		}
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		if err := call(with(t.Context(), scheme+" "+admin), conn, getWorker, false); status.Code(err) != codes.Unimplemented {
			t.Errorf("call with %s = %v, want it let in", scheme, err)
		}
	}
	if log := g.log.String(); strings.Contains(log, admin[:20]) || strings.Contains(log, admin[len(admin)-20:]) {
		t.Errorf("log = %s, want nothing of a token", log)
	}
}

// A token that is removed from the file is refused by the calls after the next reading, and one that is added is taken.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	control, byRole, path := tokens(t)
	conn := serveGuarded(t, Security{Access: control}).dial(t, insecure.NewCredentials())
	as := func(token string) codes.Code {
		return status.Code(call(with(t.Context(), "Bearer "+token), conn, getWorker, false))
	}
	if got := as(byRole["reader"]); got != codes.Unimplemented {
		t.Fatalf("call = %v, want it let in", got)
	}
	if err := access.Remove(path, "the-reader"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for as(byRole["reader"]) != codes.Unauthenticated {
		if time.Now().After(deadline) {
			t.Fatal("a token that was removed is taken 10 s later")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := as(byRole["admin"]); got != codes.Unimplemented {
		t.Errorf("call of another = %v, want it let in", got)
	}
}

// Refusals are in the log with who, what and why; a flood of them is not.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	control, byRole, _ := tokens(t)
	g := serveGuarded(t, Security{Access: control})
	conn := g.dial(t, insecure.NewCredentials())
	_ = call(with(t.Context(), "Bearer "+byRole["reader"]), conn, "/fanout.v1.WorkerService/StopAll", false)
	log := g.log.String()
	for _, want := range []string{"audit: call refused", "subject=the-reader", "peer=bufconn", "method=/fanout.v1.WorkerService/StopAll", "role reader, needs admin"} {
		if !strings.Contains(log, want) {
			t.Errorf("log = %s, want %q", log, want)
		}
	}
	if strings.Count(log, "\n") != 1 {
		t.Errorf("log = %s, want one line", log)
	}
}

func TestRefusalLogIsBounded(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := &refusalLog{log: slog.New(slog.NewTextHandler(&text, nil)), now: func() time.Time { return now }}
	for range 1000 {
		l.refused(t.Context(), "", "/"+strings.Repeat(`"`, 60_000), "not known")
	}
	if n := text.Len(); n > 1024*refusalsPerSecond {
		t.Errorf("lines have %d bytes, want no more than a sentence each, whatever the caller calls", n)
	}
	if n := strings.Count(text.String(), "\n"); n != refusalsPerSecond || strings.Contains(text.String(), "left_out") {
		t.Errorf("lines = %d, want %d", n, refusalsPerSecond)
	}
	now = now.Add(time.Second)
	l.refused(t.Context(), "", "/a/B", "not known")
	l.refused(t.Context(), "", "/a/B", "not known")
	if got := strings.Count(text.String(), "left_out=990"); got != 1 || strings.Count(text.String(), "left_out") != 1 {
		t.Errorf("log = %s, want once that 990 were left out", text.String())
	}
}

// Without access control nobody is asked for anything.
func TestWithoutAccessControl(t *testing.T) {
	t.Parallel()
	conn := serveGuarded(t, Security{}).dial(t, insecure.NewCredentials())
	for _, ctx := range []context.Context{t.Context(), with(t.Context(), "Bearer x")} {
		if err := call(ctx, conn, "/fanout.v1.WorkerService/StopAll", false); status.Code(err) != codes.Unimplemented {
			t.Errorf("call = %v, want it let in", err)
		}
	}
}
