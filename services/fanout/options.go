package main

import (
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
}

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.engine, "engine", "http1", "what speaks HTTP: http1, or std for Go's net/http")
	flags.IntVar(&f.requestsPerConnection, "requests-per-connection", 0,
		"requests that a connection carries before it is closed; 1 is no keep-alive (default no limit)")
	flags.Var(&f.firstByteTimeout, "first-byte-timeout", "time from the request's last byte to the response's first (default: only the timeout counts)")
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
		return fmt.Errorf("--first-byte-timeout %s is not more than 0, in whole nanoseconds", f.firstByteTimeout.text)
	}
	http.FirstByteTimeout = f.firstByteTimeout.value
	return nil
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
