package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/grpctls"
)

const testToken = "fanout_0123456789abcdefghijklmnopqrstuv"

// The matrix of the start-up rules, from the flags on: where the service listens, which files of TLS are named, whether there are tokens,
// and whether whoever starts it wants it open.
func TestStartUpMatrix(t *testing.T) {
	t.Parallel()
	certs := newTrialCerts(t)
	tokens := tokensFile(t)
	addresses := map[string]bool{ // whether only this machine reaches them
		"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, "0.0.0.0:0": false, "[::]:0": false, ":0": false, "192.0.2.1:0": false, "worker.example.test:0": false,
	}
	files := []struct {
		name    string
		files   grpctls.Files
		partial string // the flag that is missing; "": none
	}{
		{"no TLS", grpctls.Files{}, ""},
		{"a certificate alone", grpctls.Files{Cert: certs.file("worker.pem")}, "--tls-key"},
		{"a key alone", grpctls.Files{Key: certs.file("worker-key.pem")}, "--tls-cert"},
		{"authorities alone", grpctls.Files{CA: certs.file("ca.pem")}, "--tls-cert"},
		{"a pair", grpctls.Files{Cert: certs.file("worker.pem"), Key: certs.file("worker-key.pem")}, ""},
		{"all", grpctls.Files{Cert: certs.file("worker.pem"), Key: certs.file("worker-key.pem"), CA: certs.file("ca.pem")}, ""},
	}
	for address, local := range addresses {
		for _, tls := range files {
			for _, tokenFile := range []string{"", tokens} {
				for _, insecure := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, tokens %v, insecure %v", address, tls.name, tokenFile != "", insecure), func(t *testing.T) {
						t.Parallel()
						s := serverSecurity{files: tls.files, access: accessFlags{tokenFile, "runner"}, insecure: insecure, use: grpctls.Serving}
						flags := newWorker(stdio{}).Flags()
						log := emptyFile(t, "log")
						defer log.Close()
						err := s.open(flags, newLog(log))
						if tls.partial != "" {
							if err == nil || !strings.Contains(err.Error(), tls.partial) {
								t.Errorf("open = %v, want an error with %s", err, tls.partial)
							}
							return
						}
						if err != nil {
							t.Fatalf("open = %v, want no error", err)
						}
						l, err := s.listening.Listen(address, newLog(log))
						if err == nil {
							_ = l.Close()
						}
						hasTLS, known := tls.files.Cert != "", tls.files.CA != "" || tokenFile != ""
						refused := err != nil && strings.Contains(err.Error(), "can be reached from other machines")
						if want := !local && !insecure && !(hasTLS && known); refused != want {
							t.Errorf("Listen = %v, want a refusal: %v", err, want)
						}
						if refused {
							for flag, want := range map[string]bool{"--tls-cert": !hasTLS, "--tls-key": !hasTLS, "--tls-ca": !known, "--token-file": !known, "--insecure-listen": true} {
								if strings.Contains(err.Error(), flag) != want {
									t.Errorf("Listen = %q, want %s in it: %v", err, flag, want)
								}
							}
						}
						if want := err == nil && !local && !(hasTLS && known); strings.Contains(content(t, log), "INSECURE") != want {
							t.Errorf("the log has %q, want a warning: %v", content(t, log), want)
						}
					})
				}
			}
		}
	}
}

// The commands themselves refuse, with exit code 2 and one sentence that says what to do, before they listen.
func TestServicesThatRefuseToStart(t *testing.T) {
	t.Parallel()
	certs := newTrialCerts(t)
	all := []string{"--tls-cert", "--tls-key", "--tls-ca", "--token-file", "--insecure-listen", "fanout certs init"}
	token := tempFile(t, testToken)
	for _, tt := range []struct {
		name string
		args []string
		want []string
		not  string
	}{
		{"a fresh worker", []string{"worker", "--listen", "0.0.0.0:7070"}, all, ""},
		{"a fresh coordinator", []string{"coordinator", "--workers", "a:1", "--store", "memory", "--listen", ":7071"}, all, ""},
		{"a fresh target", []string{"target", "--listen", "0.0.0.0:8080"}, []string{"--insecure-listen"}, "--tls"},
		{"a worker without callers", append(certs.pair("worker"), "worker", "--listen", "[::]:7070"), []string{"--tls-ca", "--token-file"}, "--tls-cert"},
		{"a worker without TLS", []string{"worker", "--token-file", tokensFile(t), "--listen", "[::]:7070"}, []string{"--tls-cert", "--tls-key"}, "--tls-ca"},
		{"a client's certificate", append(certs.as("client"), "worker"), []string{"client.pem", "serverAuth"}, ""},
		{"a coordinator that cannot call", append(certs.as("worker"), "coordinator", "--workers", "a:1", "--store", "memory"), []string{"worker.pem", "clientAuth"}, ""},
		{"no authorities", append(certs.pair("worker"), "worker", "--tls-ca", "/none"), []string{"--tls-ca", "/none"}, ""},
		{"a file without a name", []string{"worker", "--tls-cert", ""}, []string{`--tls-cert ""`}, ""},
		{"probes of nowhere", []string{"worker", "--health-listen", "7079"}, []string{"--health-listen", `"7079"`}, ""},
		{"metrics of nowhere", []string{"worker", "--metrics-listen", ""}, []string{"--metrics-listen", `""`, "0.0.0.0:7078"}, ""},
		{"a token to workers in plaintext", []string{"coordinator", "--workers", "127.0.0.1:1,b:1", "--store", "memory", "--worker-token-file", token}, []string{token, "b:1", "plaintext", "--tls-ca"}, testToken},
		{"a token to workers of a name", []string{"coordinator", "--workers", "dns:///b:1", "--store", "memory", "--worker-token-file", token}, []string{token, "plaintext"}, testToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkUsage(t, tt.args, tt.want, tt.not)
		})
	}
}

// What is wrong with a caller's flags is found before anyone is called.
func TestCallersFlags(t *testing.T) {
	t.Parallel()
	certs := newTrialCerts(t)
	token := tempFile(t, testToken)
	const url = "http://127.0.0.1:1/"
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"a token in plaintext to a worker", []string{"call", "--worker", "worker:1", "--token-file", token, url}, []string{token, "worker:1", "plaintext", "--tls-ca"}},
		{"a token in plaintext to a coordinator", []string{"run", "--coordinator", "192.0.2.1:1", "--token-file", token, url}, []string{token, "192.0.2.1:1", "--tls-ca"}},
		{"a token in plaintext to workers", []string{"run", "--workers", "127.0.0.1:1,192.0.2.1:1", "--token-file", token, url}, []string{token, "192.0.2.1:1", "--tls-ca"}},
		{"a token in plaintext to whoever a name finds", []string{"run", "--workers", "dns:///workers:1", "--token-file", token, url}, []string{token, "--tls-ca"}},
		{"a token in plaintext for a list", []string{"runs", "list", "--coordinator", "a:1", "--token-file", token}, []string{token, "a:1", "--tls-ca"}},
		{"a token in plaintext for health", []string{"health", "--token-file", token, "a:1"}, []string{token, "a:1", "--tls-ca"}},
		{"a token that is none", []string{"call", "--worker", "127.0.0.1:1", "--token-file", tempFile(t, "short"), url}, []string{"--token-file", "16"}},
		{"TLS towards nobody", append(certs.ca(), "run", url), []string{"--tls-ca", "--coordinator or --workers"}},
		{"a token for nobody", []string{"call", "--token-file", token, url}, []string{"--token-file", "--worker"}},
		{"TLS towards a file", append(certs.ca(), "runs", "list", "--store", tempFile(t, "")), []string{"--tls-ca", "--coordinator"}},
		{"authorities that are not set", []string{"runs", "list", "--tls-ca", ""}, []string{`--tls-ca ""`}},
		{"a certificate without its key", []string{"runs", "list", "--tls-cert", certs.file("client.pem")}, []string{"--tls-cert", "--tls-key"}},
		{"a worker's certificate", append(certs.as("worker"), "runs", "list"), []string{"worker.pem", "clientAuth"}},
		{"health of nobody", []string{"health"}, []string{"fanout health"}},
		{"health without a port", []string{"health", "a"}, []string{`"a"`, "HOST:PORT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkUsage(t, tt.args, tt.want, testToken)
		})
	}
}

// checkUsage expects exit code 2 and one sentence. Flags may come before the command's name in args, which is how lists of them are put
// together here.
func checkUsage(t *testing.T, args, want []string, not string) {
	t.Helper()
	got := command(t, commandFirst(args)...)
	sentence := firstLine(got.err)
	if got.code != exitUsage || got.out != "" {
		t.Errorf("fanout %q = exit %d, %q, %q, want 2 and nothing", args, got.code, got.out, got.err)
	}
	for _, text := range want {
		if !strings.Contains(sentence, text) {
			t.Errorf("fanout %q = %q, want %q in it", args, sentence, text)
		}
	}
	if not != "" && strings.Contains(got.err, not) {
		t.Errorf("fanout %q = %q, want no %q in it", args, got.err, not)
	}
}

// commandFirst puts pairs of a flag and its value behind the command.
func commandFirst(args []string) []string {
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "--") {
		i += 2
	}
	return append(append([]string{}, args[i:]...), args[:i]...)
}
