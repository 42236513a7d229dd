package grpcdial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials"
)

const secret = "canary-0123456789-canary"

func tokenFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A token leaves this machine over TLS only.
func TestATokenStaysOutOfPlaintext(t *testing.T) {
	t.Parallel()
	token, err := OpenToken("--token-file", tokenFile(t, secret+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for address, local := range map[string]bool{
		"127.0.0.1:7070": true, "[::1]:7070": true, "localhost:7070": true, "127.3.2.1:1": true, "[::ffff:127.0.0.1]:7070": true,
		"192.0.2.1:7070": false, "worker:7070": false, "0.0.0.0:7070": false, "localhost.example.test:7070": false, "dns:///localhost:7070": false, "": false,
	} {
		for _, secure := range []Security{{Token: token}, {Token: token, Credentials: credentials.NewTLS(nil)}} {
			conn, err := secure.New(address, "")
			if err == nil {
				_ = conn.Close()
			}
			if want := local || secure.Credentials != nil; (err == nil) != want {
				t.Errorf("New(%q) with TLS %v = %v, want a connection: %v", address, secure.Credentials != nil, err, want)
			}
			if err != nil && (!strings.Contains(err.Error(), "--tls-ca") || strings.Contains(err.Error(), secret)) {
				t.Errorf("New(%q) = %q, want the flag and not the token", address, err)
			}
		}
	}
	if (bearer{token, true}).RequireTransportSecurity() == false {
		t.Error("a token over TLS does not require it")
	}
}

// A token is the first line, as the file has it at the time of the call.
func TestTokenFiles(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"a line": secret + "\n", "no line's end": secret, "Windows": secret + "\r\n", "more lines": secret + "\n# of alice\n"} {
		token, err := OpenToken("--token-file", tokenFile(t, content))
		if err != nil {
			t.Errorf("%s: OpenToken = %v, want no error", name, err)
			continue
		}
		metadata, err := bearer{token, true}.GetRequestMetadata(t.Context())
		if err != nil || metadata["authorization"] != "Bearer "+secret {
			t.Errorf("%s: the call has %q, %v, want the token", name, metadata, err)
		}
	}
	for name, content := range map[string]string{
		"empty": "", "an empty line": "\n" + secret, "a space": secret + " x", "a control character": secret + "\x00", "short": "abc", "no ASCII": secret + "é",
		"long": strings.Repeat("a", 5000), "endless": strings.Repeat("a", 200_000),
	} {
		path := tokenFile(t, content)
		if _, err := OpenToken("--token-file", path); err == nil || !strings.Contains(err.Error(), "--token-file "+path) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: OpenToken = %v, want an error with the file, and nothing of it", name, err)
		}
	}
	if _, err := OpenToken("--token-file", "/none"); err == nil || !strings.Contains(err.Error(), "--token-file /none") {
		t.Errorf("OpenToken = %v, want an error with the file", err)
	}
	path := tokenFile(t, secret)
	token, err := OpenToken("--token-file", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another-"+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := token.read(); err != nil || got != "another-"+secret {
		t.Errorf("the token is %q, %v, want the new one", got, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := (bearer{token, true}).GetRequestMetadata(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a call without the file = %v, want an error with it", err)
	}
}
