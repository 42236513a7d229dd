package rpcerr

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What TLS says of a connection that did not come about becomes what to do; everything else stays.
func TestTextOfAHandshake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text, want string
	}{
		{
			"no certificate", `connection error: desc = "error reading server preface: remote error: tls: certificate required"`,
			"it takes only callers with a certificate; give --tls-cert and --tls-key (remote error: tls: certificate required)",
		},
		{
			"plaintext", `connection error: desc = "error reading server preface: EOF"`,
			"it closed the connection at once; if it speaks TLS, give --tls-ca (EOF)",
		},
		{
			"another name", `connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate is valid for worker, not a"`,
			"its certificate is not for this name; dial it by a name in its certificate, or issue it with the name (x509: certificate is valid for worker, not a)",
		},
		{
			"a name to clear the screen", `connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate is valid for ` + "\x1b[2J\r\n" + `, not a"`,
			"its certificate is not for this name; dial it by a name in its certificate, or issue it with the name (x509: certificate is valid for ?[2J??, not a)",
		},
		{"nobody there", `connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`, "dial tcp 127.0.0.1:1: connect: connection refused"},
		{"an answer", "tls: certificate required", "tls: certificate required"},
	} {
		err := status.Error(codes.Unavailable, tt.text)
		if got := Text(err); got != tt.want {
			t.Errorf("%s: Text = %q, want %q", tt.name, got, tt.want)
		}
		if got, want := IsHandshake(err), strings.Contains(tt.want, "("); got != want {
			t.Errorf("%s: IsHandshake = %v, want %v", tt.name, got, want)
		}
	}
}
