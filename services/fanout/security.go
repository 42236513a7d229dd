package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/grpctls"
)

// What anyone can do who reaches a service that does not know its callers.
const (
	canSend = "send any number of requests from this machine"
	canUse  = "send it requests"
)

// addFiles adds the flags that name certificates, which are the same wherever there are any.
func addFiles(flags *pflag.FlagSet, files *grpctls.Files, ca string) {
	flags.StringVar(&files.Cert, "tls-cert", "", "`FILE` with the certificate to show, PEM; --tls-key goes with it")
	flags.StringVar(&files.Key, "tls-key", "", "`FILE` with the private key of --tls-cert, PEM without a passphrase")
	flags.StringVar(&files.CA, "tls-ca", "", ca)
}

// serverSecurity are the flags that say who may call a service, and how it is reached.
type serverSecurity struct {
	files    grpctls.Files
	use      grpctls.Use
	access   accessFlags
	insecure bool
	plain    plainPorts // open while serve runs the service

	listening grpcserve.Listening // of open
	server    grpcserve.Security  // of open, for the service's configuration
	source    *grpctls.Source     // of open; nil: plaintext
}

func (s *serverSecurity) add(cmd *cobra.Command, use grpctls.Use) {
	s.use = use
	flags := cmd.Flags()
	addFiles(flags, &s.files, "`FILE` with the authorities, PEM, whose certificates callers show; without --token-file they have to")
	s.access.add(flags)
	s.plain.add(flags)
	addInsecure(flags, &s.insecure)
}

func addInsecure(flags *pflag.FlagSet, insecure *bool) {
	flags.BoolVar(insecure, "insecure-listen", false, "listen for other machines although anyone there can use the service")
}

// open reads what the flags name. It comes before serve.
func (s *serverSecurity) open(flags *pflag.FlagSet, log *slog.Logger) error {
	if err := checkNamed(flags); err != nil {
		return err
	}
	s.listening = grpcserve.Listening{TLS: s.files.Cert != "", Callers: s.files.CA != "" || s.access.tokenFile != "", Insecure: s.insecure, Can: canSend}
	if s.files.Any() {
		var err error
		if s.source, err = grpctls.Open(s.files, s.use, log); err != nil {
			return err
		}
		s.server.Credentials = s.source.Server(s.callers())
	}
	var err error
	s.server.Access, err = s.access.control(log, s.files.CA != "")
	return err
}

// callers is what is asked of a caller at the handshake. Where there are tokens a caller may have either.
func (s *serverSecurity) callers() grpctls.Callers {
	switch {
	case s.files.CA == "":
		return grpctls.Anyone
	case s.access.tokenFile != "":
		return grpctls.Verified
	default:
		return grpctls.Required
	}
}

// serve runs the service as the function serve does, with its plain ports open.
func (s *serverSecurity) serve(cmd *cobra.Command, std stdio, listen string, bound bool, log *slog.Logger, service func(context.Context, net.Listener) error) error {
	open := func() (net.Listener, error) {
		if err := s.plain.open(cmd.Flags()); err != nil {
			return nil, err
		}
		return s.listening.Listen(listen, log)
	}
	defer s.plain.close()
	return serve(cmd, std, bound, open, service)
}

// workers is how a coordinator knows its workers, and what it shows them: its own certificate and authorities.
func (s *serverSecurity) workers(tokenFile, addresses string) (grpcdial.Security, error) {
	var towards grpcdial.Security
	if s.source != nil {
		towards.Credentials = s.source.Client()
	}
	return towards, addToken(&towards, "--worker-token-file", tokenFile, addresses)
}

// clientSecurity are the flags that say how a service that is called is known, and what it is shown.
type clientSecurity struct {
	files     grpctls.Files
	tokenFile string // holds the caller's one token
}

func (c *clientSecurity) add(flags *pflag.FlagSet) {
	addFiles(flags, &c.files, "`FILE` with the authorities, PEM, of the service's certificate, or system for those of this system; one of these flags means TLS")
	flags.StringVar(&c.tokenFile, "token-file", "", "`FILE` with the bearer token to show to the service in its first line")
}

// openFor reads what the flags name, for calls to where a flag says; without an address nobody is called, and they say nothing.
func (c *clientSecurity) openFor(flags *pflag.FlagSet, flag, address string) (grpcdial.Security, error) {
	var security grpcdial.Security
	if err := checkNamed(flags); err != nil {
		return security, err
	}
	if address == "" {
		return security, c.checkUnused(flag)
	}
	if c.files.Any() {
		source, err := grpctls.Open(c.files, grpctls.Calling, slog.New(slog.DiscardHandler)) // a caller has no log
		if err != nil {
			return security, err
		}
		security.Credentials = source.Client()
	}
	return security, addToken(&security, "--token-file", c.tokenFile, address)
}

// addToken adds the token in the file that a flag names, if it names one, for calls to the addresses.
func addToken(security *grpcdial.Security, flag, path, addresses string) error {
	if path == "" {
		return nil
	}
	var err error
	if security.Token, err = grpcdial.OpenToken(flag, path); err != nil {
		return err
	}
	for address := range strings.SplitSeq(addresses, ",") {
		if err := security.CheckToken(strings.TrimSpace(address)); err != nil {
			return err
		}
	}
	return nil
}

// checkNamed refuses files without a name: a variable of a script that is not set shall not mean plaintext.
func checkNamed(flags *pflag.FlagSet) error {
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca", "token-file", "worker-token-file"} {
		if flag := flags.Lookup(name); flag != nil && flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf(`--%s "" is no file; give its path, or leave the flag out`, name)
		}
	}
	return nil
}

// checkUnused refuses flags that would say nothing: nobody is called.
func (c *clientSecurity) checkUnused(flag string) error {
	if c.files.Any() || c.tokenFile != "" {
		return errors.New("--tls-cert, --tls-key, --tls-ca and --token-file are for a service elsewhere; give " + flag + " too, or leave them out")
	}
	return nil
}
