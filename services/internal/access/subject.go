package access

import "context"

// Caller is who makes a call.
type Caller struct {
	Subject string // "": nobody was asked for a name
	Role    Role
}

// MayEnd reports whether the caller may end what the subject has begun: its own, and an admin everybody's.
func (c Caller) MayEnd(subject string) bool {
	return c.Role >= Admin || c.Subject == subject && c.Role >= Runner
}

// anybody is the caller of a server that asks nobody for a name: it may do everything, and all are the same subject.
var anybody = Caller{Role: Admin}

type callerKey struct{}

// WithCaller is ctx with who makes the call.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf is who makes the call. Where nothing was noted there is no access control, and the caller has no name and may do everything:
// a server that has one notes the caller of every call that it lets in.
func CallerOf(ctx context.Context) Caller {
	if caller, ok := ctx.Value(callerKey{}).(Caller); ok {
		return caller
	}
	return anybody
}
