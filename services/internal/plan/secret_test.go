package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// However a plan is written, its key, its header values and its bodies are not in it.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	const canary = "canary-4711"
	options := TLSOptions{CertPEM: "certificate", KeyPEM: canary}
	request := Request{Headers: []Header{{Name: "Authorization", Value: canary}}, Body: SecretBytes(canary)}
	p := &Plan{Requests: []Request{request}, HTTP: HTTPOptions{TLS: options}}
	var written strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&written, verb, *p)
		fmt.Fprintf(&written, verb, p)
		fmt.Fprintf(&written, verb, options)
		fmt.Fprintf(&written, verb, request)
		fmt.Fprintf(&written, verb, request.Headers[0])
		fmt.Fprintf(&written, verb, request.Body)
		fmt.Fprintf(&written, verb, options.KeyPEM)
	}
	encoded, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	written.Write(encoded)
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("a plan", "plan", p, "tls", options, "key", options.KeyPEM, "request", request, "header", request.Headers[0], "body", request.Body)
	}
	all := written.String() + log.String()
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary))} {
		if strings.Contains(all, form) {
			t.Errorf("a secret shows as %q in %q", form, all)
		}
	}
	if !strings.Contains(all, placeholder) {
		t.Errorf("nothing stands for a secret in %q", all)
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("no secret is written as %q, want nothing", got)
	}
}
