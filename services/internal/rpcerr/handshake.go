package rpcerr

import (
	"strings"
	"unicode"
)

// handshakes says, for what TLS and gRPC say of a connection that did not come about, what is wrong and what to do. The first that the
// text contains counts.
var handshakes = []struct{ contains, means string }{
	{"tls: certificate required", "it takes only callers with a certificate; give --tls-cert and --tls-key"},
	{"remote error: tls: unknown certificate authority", "it does not know the authority of the certificate in --tls-cert; give a certificate of the authority in its --tls-ca"},
	{"remote error: tls: expired certificate", "the certificate in --tls-cert has expired; renew it"},
	{"remote error: tls: bad certificate", "it refuses the certificate in --tls-cert, and its log says why; give one for callers, with a name"},
	{"remote error: tls: protocol version not supported", "it does not speak TLS 1.3; use a service that does"},
	{"tls: first record does not look like a TLS handshake", "it does not speak TLS; leave out --tls-ca, --tls-cert and --tls-key, or start it with --tls-cert and --tls-key"},
	{"x509: certificate signed by unknown authority", "its certificate is not of an authority in --tls-ca; give the file of its authority"},
	{"x509: certificate has expired", "its certificate has expired, or is not valid yet; renew it, or set the clocks"},
	{"x509: cannot validate certificate for ", "its certificate is not for this address; dial it by a name in its certificate, or issue it with the address"},
	{"x509: certificate is valid for ", "its certificate is not for this name; dial it by a name in its certificate, or issue it with the name"},
	{"x509: certificate is not valid for any names", "its certificate is for no name; issue it with the name by which it is dialled"},
	{"x509: certificate specifies an incompatible key usage", "its certificate is not for services: its extended key usage is without serverAuth; start it with another"},
}

// silent is what is said of a connection that was closed before the other side had said anything, which a service with TLS does to who
// speaks plaintext.
const silent = "it closed the connection at once; if it speaks TLS, give --tls-ca"

// explainHandshake is what the text of a connection that did not come about means, with the text behind it; or the text as it is, if it
// is not known. It may quote the other side's certificate, whose names are for a terminal no better than what a target sends.
func explainHandshake(text string) (means string, known bool) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
	if rest, ok := strings.CutPrefix(text, "error reading server preface: "); ok {
		if !strings.Contains(rest, "tls: ") {
			return silent + " (" + rest + ")", true
		}
		text = rest
	}
	text = strings.TrimPrefix(text, "authentication handshake failed: ")
	for _, handshake := range handshakes {
		if strings.Contains(text, handshake.contains) {
			return handshake.means + " (" + strings.TrimPrefix(text, "tls: failed to verify certificate: ") + ")", true
		}
	}
	return text, false
}
