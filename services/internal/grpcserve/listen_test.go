package grpcserve

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// The matrix of the start-up rules: where a service listens, what it has, and what it does about it.
func TestStartUpRules(t *testing.T) {
	t.Parallel()
	const can = "do harm"
	addresses := []struct {
		listen string
		local  bool
	}{
		{"127.0.0.1:0", true},
		{"127.9.9.9:0", true},
		{"localhost:0", true},
		{"[::ffff:127.0.0.1]:0", true},
		{"0.0.0.0:0", false},
		{":0", false},
		{"[::]:0", false},
		{"[::ffff:0.0.0.0]:0", false},
		{"192.0.2.1:0", false},
		{"0x7f000001:0", false}, // a name, to us
		{"localhost.:0", false},
		{"127.0.0.1.example.test:0", false},
	}
	for _, at := range addresses {
		for bits := range 8 {
			l := Listening{TLS: bits&1 != 0, Callers: bits&2 != 0, Insecure: bits&4 != 0, Can: can}
			t.Run(fmt.Sprintf("%s %+v", at.listen, l), func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				listener, err := l.Listen(at.listen, slog.New(slog.NewTextHandler(&log, nil)))
				if err == nil {
					_ = listener.Close()
				}
				closed := at.local || l.TLS && l.Callers
				switch {
				case !closed && !l.Insecure: // it is refused by the rule, and names what is missing and nothing else
					want := map[string]bool{"--tls-cert": !l.TLS, "--tls-key": !l.TLS, "--tls-ca": !l.Callers, "--token-file": !l.Callers, "--insecure-listen": true, can: true}
					for text, there := range want {
						if err == nil || strings.Contains(err.Error(), text) != there {
							t.Errorf("Listen(%s) = %v, want an error with %q: %v", at.listen, err, text, there)
						}
					}
				case err != nil && strings.Contains(err.Error(), "can be reached from other machines"):
					t.Errorf("Listen(%s) = %v, want no refusal", at.listen, err)
				case err != nil && at.local && !strings.Contains(at.listen, "::"): // ::ffff:127.0.0.1 needs IPv6
					t.Errorf("Listen(%s) = %v, want a listener", at.listen, err)
				}
				if loud := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), can); err == nil && loud != !closed {
					t.Errorf("Listen(%s) logs %q, want a warning: %v", at.listen, log.String(), !closed)
				}
			})
		}
	}
}

// What speaks no TLS is refused off loopback with the one flag that helps it.
func TestStartUpRulesOfPlainServices(t *testing.T) {
	t.Parallel()
	plain := Listening{PlainOnly: true, Can: "use it"}
	log := slog.New(slog.DiscardHandler)
	if l, err := plain.Listen("0.0.0.0:0", log); err == nil || !strings.Contains(err.Error(), "--insecure-listen") || strings.Contains(err.Error(), "--tls") {
		t.Errorf("Listen = %v, %v, want an error with --insecure-listen alone", l, err)
	}
	plain.Insecure = true
	for _, address := range []string{"0.0.0.0:0", "127.0.0.1:0"} {
		l, err := plain.Listen(address, log)
		if err != nil {
			t.Fatalf("Listen(%s) = %v, want a listener", address, err)
		}
		_ = l.Close()
	}
}

// An address that is none, and a port that is taken, are told with their flag.
func TestListenErrors(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	service := func(address string) (net.Listener, error) { return Listening{}.Listen(address, log) }
	taken, err := service("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for flag, listen := range map[string]func(string) (net.Listener, error){"--listen": service, "--health-listen": ListenHealth, "--metrics-listen": ListenMetrics} {
		for _, address := range []string{"7070", "127.0.0.1", "127.0.0.1:http99"} {
			if l, err := listen(address); err == nil || !strings.HasPrefix(err.Error(), flag+" ") || !strings.Contains(err.Error(), address) {
				t.Errorf("%s %s = %v, %v, want an error with both", flag, address, l, err)
			}
		}
		var is *TakenError
		if _, err := listen(taken.Addr().String()); !errors.As(err, &is) || is.Flag != flag {
			t.Errorf("%s with a port in use = %v, want TakenError with the flag", flag, err)
		}
	}
}
