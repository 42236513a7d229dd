package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// bodySize is the length of each answer: that of a small JSON document.
const bodySize = 1 << 10

// answerBody is the body of every answer.
var answerBody = bytes.Repeat([]byte("0123456789abcdef"), bodySize/16)

// serveBodies answers every request with the same body, with net/http as most services do. With -ca it speaks TLS, and writes
// the authority that signed its certificate to that file.
func serveBodies(ctx context.Context, args []string, l *announcingListener) (func(io.Writer) error, error) {
	flags := flag.NewFlagSet("serve-bodies", flag.ContinueOnError)
	ca := flags.String("ca", "", "")
	hold := flags.Duration("hold", 0, "")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	var listener net.Listener = l
	if *ca != "" {
		certificates, err := target.NewCertificates()
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(*ca, certificates.CAPEM, 0o600); err != nil {
			return nil, fmt.Errorf("writing the authority's certificate: %w", err)
		}
		listener = tls.NewListener(l, certificates.Config)
	}
	server := &http.Server{
		ErrorLog:          log.New(io.Discard, "", 0), // a client that leaves is no news
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if *hold > 0 {
				time.Sleep(*hold)
			}
			_, _ = w.Write(answerBody) // the client notices
		}),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return nil, err
	}
	return nil, nil
}
