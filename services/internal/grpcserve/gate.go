package grpcserve

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// gate lets calls in. It stands before the call's message is read: whoever is refused has none of it decoded, which takes a hundred times
// the memory of a message that is made for that. A stream is asked when it begins: it goes on to its end, though its caller's token is
// removed meanwhile.
type gate struct {
	control *access.Control // nil: everybody may do everything
	log     *refusalLog
}

func newGate(control *access.Control, log *slog.Logger) *gate {
	return &gate{control: control, log: &refusalLog{log: log, now: time.Now}}
}

// admit is ctx with the caller, who may call its method, or the refusal.
func (g *gate) admit(ctx context.Context, call *tap.Info) (context.Context, error) {
	if g.control == nil {
		return ctx, nil
	}
	method := call.FullMethodName
	needed, ok := access.Needed(method)
	if ok && needed == access.None {
		return ctx, nil
	}
	caller, err := g.caller(ctx)
	switch {
	case err != nil:
		g.log.refused(ctx, "", method, "not known")
		return nil, rpcerr.Unauthenticated()
	case !ok:
		g.log.refused(ctx, caller.Subject, method, "open to nobody")
		return nil, rpcerr.MethodClosed(method)
	case caller.Role < needed:
		g.log.refused(ctx, caller.Subject, method, "role "+caller.Role.String()+", needs "+needed.String())
		return nil, rpcerr.RoleTooLow("%s has the role %s, and %s needs %s; ask whoever runs the service for another in its --token-file, or as --cert-role",
			caller.Subject, caller.Role, method, needed)
	}
	return access.WithCaller(ctx, caller), nil
}

// caller is who calls: by a token if there is one, else by a certificate. A token that is not known is no reason to look for a
// certificate: whoever sends one means to be its bearer.
func (g *gate) caller(ctx context.Context) (access.Caller, error) {
	if shown := metadata.ValueFromIncomingContext(ctx, "authorization"); len(shown) > 0 {
		scheme, token, _ := strings.Cut(shown[0], " ")
		if len(shown) > 1 || !strings.EqualFold(scheme, "bearer") {
			return access.Caller{}, access.ErrUnknown
		}
		return g.control.Token(token)
	}
	name, _ := grpctls.Identity(ctx)
	return g.control.Certificate(name)
}
