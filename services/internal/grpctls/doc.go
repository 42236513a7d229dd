// Package grpctls is TLS between our services and those who call them: TLS 1.3 only, certificates from files that may change while a
// process runs, and the name that a caller's certificate gives it. What a name may do is package access's matter.
//
// It stands on crypto/tls alone. grpc's own reloading (pemfile with advancedtls) writes the private key into its log when a certificate
// does not fit it, and has no way to take a certificate without demanding one.
package grpctls
