package metrics

import (
	"context"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc/reflection"
)

// What those who ask may take of a service, whoever they are.
const (
	// maxConnections is how many are open at once; what comes then waits to be accepted. A few servers scrape, over one connection each.
	maxConnections = 32
	// scrapesAtOnce is how many answers are made at once: each is some 50 KB of text. More get 503.
	scrapesAtOnce = 4
	// requestBound is how long a request may take to arrive, and writeBound how long until its answer has been taken: scrapers give up
	// after 10 s.
	requestBound = 5 * time.Second
	writeBound   = 10 * time.Second
	// idleBound is longer than scrapers usually wait between two requests, a minute, so that they keep their connection.
	idleBound = 75 * time.Second
	// maxHeader is the longest head of a request, in bytes, beside 4 KiB that net/http adds: scrapers send some hundred.
	maxHeader = 8 << 10
	// stopBound is how long answers that are being written have when the service ends.
	stopBound = time.Second
)

// Serve answers GET /metrics on the endpoint's listener until stop, which waits for its end and closes the listener; nothing else is
// served there. Every method of the server is shown with every code, from 0.
func (e *Endpoint) Serve(of reflection.ServiceInfoProvider) (stop func()) {
	if e == nil {
		return func() {}
	}
	e.calls.InitializeMetrics(of)
	mux := http.NewServeMux()
	// A generator's time is dearer than its network's bytes: answers are not compressed.
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: scrapesAtOnce}))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: requestBound,
		ReadTimeout:       requestBound,
		WriteTimeout:      writeBound,
		IdleTimeout:       idleBound,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // what is wrong there is the clients', who could fill a log with it
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(netutil.LimitListener(e.listener, maxConnections)) // its one error is the listener's, and scrapers will find that nobody answers
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopBound)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
	}
}
