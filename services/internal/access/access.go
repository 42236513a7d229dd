// Package access says who may call what: who a caller is, which role that gives, and which role a method asks for. It is pure; package
// grpcserve asks it before every call.
package access

// Control is who may call what on one server.
type Control struct{}
