package main

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// httpFlags are the flags that say how requests are sent, beside what they are; run and call share them.
type httpFlags struct {
	engine                string
	requestsPerConnection int
	firstByteTimeout      duration
	cert, key             string
	targets               targetRules
}

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.engine, "engine", "http1", "what speaks HTTP: http1, or std for Go's net/http")
	flags.IntVar(&f.requestsPerConnection, "requests-per-connection", 0,
		"requests that a connection carries before it is closed; 1 is no keep-alive (default no limit)")
	flags.Var(&f.firstByteTimeout, "first-byte-timeout", "time from the request's last byte to the response's first (default: only the timeout counts)")
	flags.StringVar(&f.cert, "cert", "", "`FILE` with the certificate to show to the target, PEM; --key goes with it")
	f.targets.add(flags, "keep to these targets, of those that the worker allows: a host, .SUFFIX, address, CIDR, localhost or *; may be repeated")
	flags.StringVar(&f.key, "key", "", "`FILE` with the private key of --cert, PEM without a passphrase")
}

// options sets what the flags say; those that are not given are left to their defaults.
func (f *httpFlags) options(flags *pflag.FlagSet, http *plan.HTTPOptions) error {
	var err error
	if http.Engine, err = choose(flags, "engine", f.engine, plan.Engines()); err != nil {
		return err
	}
	if flags.Changed("requests-per-connection") && f.requestsPerConnection < 1 {
		return fmt.Errorf("--requests-per-connection %d is not at least 1; leave it out for no limit", f.requestsPerConnection)
	}
	http.RequestsPerConnection = f.requestsPerConnection
	if f.firstByteTimeout.given && f.firstByteTimeout.value <= 0 {
		return fmt.Errorf("--first-byte-timeout %s is not more than 0; give the time until the first byte, as 5s", f.firstByteTimeout.text)
	}
	http.FirstByteTimeout = f.firstByteTimeout.value
	if err := f.targets.narrow(http); err != nil {
		return err
	}
	return f.identity(flags, &http.TLS)
}

// identity reads the certificate to show to the target, and its key. No error quotes either file.
func (f *httpFlags) identity(flags *pflag.FlagSet, options *plan.TLSOptions) error {
	cert, key := flags.Changed("cert"), flags.Changed("key")
	switch {
	case !cert && !key:
		return nil
	case !key:
		return fmt.Errorf("--cert %q is without --key; give the certificate's key too", f.cert)
	case !cert:
		return fmt.Errorf("--key %q is without --cert; give the key's certificate too", f.key)
	}
	certPEM, err := readFile("--cert", f.cert, plan.MaxCertificateBytes)
	if err != nil {
		return err
	}
	keyPEM, err := readFile("--key", f.key, plan.MaxKeyBytes)
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return fmt.Errorf("--cert %s and --key %s do not hold a certificate and its key, in PEM and without a passphrase; name the two files that belong together",
			f.cert, f.key)
	}
	options.CertPEM, options.KeyPEM = string(certPEM), plan.Secret(keyPEM)
	return nil
}

// outcomeFlags are the flags that say which outcomes come back; run and call share them.
type outcomeFlags struct {
	detail     string
	slowStream string
}

func (f *outcomeFlags) add(flags *pflag.FlagSet, slowStream string) {
	flags.StringVar(&f.detail, "detail", "every", "which outcomes come back one by one: every, or tally-only for none, which costs less")
	flags.StringVar(&f.slowStream, "slow-stream", slowStream, "when outcomes come faster than they are taken: wait, or fold them into the counts")
}

// options sets what the flags say; those that are not given are left to their defaults.
func (f *outcomeFlags) options(flags *pflag.FlagSet, outcomes *plan.OutcomeOptions) error {
	var err error
	if outcomes.Detail, err = choose(flags, "detail", f.detail, plan.Details()); err != nil {
		return err
	}
	outcomes.SlowStream, err = choose(flags, "slow-stream", f.slowStream, plan.SlowStreams())
	return err
}

// choose is the option that a flag names, as people write it: tally-only for TALLY_ONLY. The zero option: it is not given.
func choose[O fmt.Stringer](flags *pflag.FlagSet, flag, value string, known []O) (chosen O, err error) {
	if !flags.Changed(flag) {
		return chosen, nil
	}
	names := make([]string, len(known))
	for i, option := range known {
		names[i] = strings.ReplaceAll(strings.ToLower(option.String()), "_", "-")
		if value == names[i] {
			return option, nil
		}
	}
	return chosen, fmt.Errorf("--%s %q is not %s", flag, value, strings.Join(names, " or "))
}
