package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// requestFlags are the flags that say what a request is and how it is sent; run and call share them.
type requestFlags struct {
	method       string
	headers      []string
	body         string
	bodyFile     string
	timeout      duration
	insecure     bool
	caCert       string
	maxRedirects int
	slotHeader   bool
	http         httpFlags
}

func (f *requestFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.method, "method", "m", "GET", "HTTP method")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "header as `'Name: value'`; may be repeated; '${env:NAME}' and '${file:PATH}' in it and in the body are replaced by whoever sends it")
	flags.StringVarP(&f.body, "data", "d", "", "body of the requests")
	flags.StringVarP(&f.bodyFile, "data-file", "D", "", "`FILE` with the body of the requests")
	flags.VarP(&f.timeout, "timeout", "t", "time from sent to the last byte, as 10s or 10 (default 30s)")
	flags.BoolVarP(&f.insecure, "insecure", "k", false, "accept every certificate of the target")
	flags.StringVar(&f.caCert, "cacert", "", "`FILE` with the certificates of authorities to trust, PEM")
	flags.IntVar(&f.maxRedirects, "max-redirects", 0, "redirects to follow; with 0 a redirect is the response")
	flags.BoolVar(&f.slotHeader, "slot-header", false, "send each slot's number as X-Fanout-Slot")
	f.http.add(flags)
}

// plan is the plan that sends each URL by these flags; load is for the caller to fill in.
func (f *requestFlags) plan(flags *pflag.FlagSet, urls []string) (*plan.Plan, error) {
	p := &plan.Plan{}
	body, err := f.readBody()
	if err != nil {
		return nil, err
	}
	var headers []plan.Header
	for i, text := range f.headers {
		name, value, ok := strings.Cut(text, ":")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t") // a line's end is for the plan's check to refuse
		if !ok || name == "" {
			return nil, fmt.Errorf("-H: header %d of %d bytes is not 'Name: value'", i+1, len(text)) // not shown: it may be a secret
		}
		headers = append(headers, plan.Header{Name: name, Value: plan.Secret(value)})
	}
	if f.timeout.given && f.timeout.value <= 0 {
		return nil, fmt.Errorf("-t %s is not more than 0; give the time that a request may take, as 30s", f.timeout.text)
	}
	for _, url := range urls {
		p.Requests = append(p.Requests, plan.Request{URL: withScheme(url), Method: f.method, Headers: headers, Body: body})
	}
	p.HTTP = plan.HTTPOptions{Timeout: f.timeout.value, MaxRedirects: f.maxRedirects, SlotHeader: f.slotHeader}
	if err := f.http.options(flags, &p.HTTP); err != nil {
		return nil, err
	}
	p.HTTP.TLS.InsecureSkipVerify = f.insecure
	if f.caCert != "" {
		authorities, err := readFile("--cacert", f.caCert, plan.MaxCertificateBytes)
		if err != nil {
			return nil, err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("--cacert %s holds no certificate in PEM; convert it with openssl x509, or name another file", f.caCert)
		}
		p.HTTP.TLS.CAPEM = string(authorities)
	}
	return p, nil
}

func (f *requestFlags) readBody() ([]byte, error) {
	if f.body != "" && f.bodyFile != "" {
		return nil, errors.New("-d and -D both give the body; use one of them")
	}
	if f.bodyFile == "" {
		return []byte(f.body), nil
	}
	return readFile("-D", f.bodyFile, plan.DefaultCaps().BodyBytes)
}

// withScheme takes 127.0.0.1:8080/x for http://127.0.0.1:8080/x, as curl and hey do. What has a scheme is left as it is, also
// one that is then refused, as in mailto:someone@there.
func withScheme(url string) string {
	if url == "" {
		return url
	}
	head, rest, colon := strings.Cut(url, ":")
	switch {
	case !colon, strings.ContainsAny(head, "/?#.[@"): // a host, or a part of the path
	case strings.HasPrefix(rest, "//"):
		return url
	case rest == "" || rest[0] < '0' || rest[0] > '9': // no port
		return url
	}
	return "http://" + url
}

// duration is a flag that takes a Go duration or a number of seconds.
type duration struct {
	value time.Duration
	text  string // as it was given
	given bool
}

// String is the value for the help text.
func (d *duration) String() string {
	if !d.given {
		return ""
	}
	return d.value.String()
}

// Type is the value's name in the help text.
func (d *duration) Type() string { return "DURATION" }

// Set reads the flag.
func (d *duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(text, 64); numeric == nil || errors.Is(numeric, strconv.ErrRange) {
		if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/float64(time.Second)/2 {
			return fmt.Errorf("%q is out of range; use 24h at most", text)
		}
		value, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil && looksLikeDuration.MatchString(text) {
		return fmt.Errorf("%q is out of range; use 24h at most", text)
	}
	if err != nil {
		return fmt.Errorf("%q is not a duration; use 10s, 1m30s, 200ms or a number of seconds", text)
	}
	d.value, d.text, d.given = value, text, true
	return nil
}

// looksLikeDuration tells a duration that is too long from what is none.
var looksLikeDuration = regexp.MustCompile(`^[-+]?([0-9.]+(ns|us|µs|ms|s|m|h))+$`)

// loadFlags are the flags that say how much and when.
type loadFlags struct {
	requests    int64
	concurrency int64
	duration    duration
	open        openLoopFlags
}

func (f *loadFlags) add(flags *pflag.FlagSet) {
	flags.Int64VarP(&f.requests, "requests", "n", 0, "number of requests; without -c, -q and --stage all at once (default 1)")
	flags.Int64VarP(&f.concurrency, "concurrency", "c", 0, "senders of the whole run; with -q or --stage the most there may be")
	flags.VarP(&f.duration, "duration", "z", "length of the load, as 10s or 10 (default 10s with -c or -q and no -n)")
	f.open.add(flags)
}

// Defaults of a load that its flags leave open.
const (
	defaultDuration    = 10 * time.Second
	defaultConcurrency = 50
)

// load is what the flags say, with the defaults of the command filled in.
func (f *loadFlags) load(flags *pflag.FlagSet) (plan.Load, error) {
	var load plan.Load
	given := flags.Changed
	switch {
	case given("requests") && f.requests < 1:
		return load, fmt.Errorf("-n %d is not at least 1; give a number of requests, as 100", f.requests)
	case given("concurrency") && f.concurrency < 1:
		return load, fmt.Errorf("-c %d is not at least 1; give a number of senders, as 50", f.concurrency)
	case given("duration") && f.duration.value <= 0:
		return load, fmt.Errorf("-z %s is not more than 0; give the length of the load, as 10s", f.duration.text)
	}
	open, err := f.open.openLoop(flags)
	if err != nil {
		return load, err
	}
	load.Requests, load.Duration, load.OpenLoop = f.requests, f.duration.value, open
	shaped := given("concurrency") || open != nil
	switch {
	case given("stage"): // they have their own durations
	case shaped && !given("requests") && !given("duration"):
		load.Duration = defaultDuration
	case given("duration") && !shaped:
		f.concurrency = defaultConcurrency
	}
	switch {
	case open != nil:
		open.MaxConcurrency = f.concurrency
	case f.concurrency > 0:
		load.ClosedLoop = &plan.ClosedLoop{Concurrency: f.concurrency}
	}
	return load, nil
}
