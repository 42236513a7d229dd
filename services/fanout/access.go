package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/access"
)

// accessFlags are the flags of a service that say who may call it.
type accessFlags struct {
	tokenFile string
	certRole  string
}

func (f *accessFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` of the callers' named tokens and roles, which fanout tokens writes; it is read again when it changes")
	flags.StringVar(&f.certRole, "cert-role", access.Runner.String(), "role of client certificates that --token-file does not name: reader, runner, admin or none")
}

func (f *accessFlags) role() (access.Role, error) {
	if f.certRole == access.None.String() {
		return access.None, nil
	}
	if role, ok := access.ParseRole(f.certRole); ok {
		return role, nil
	}
	return access.None, fmt.Errorf("--cert-role %q is not reader, runner, admin or none", f.certRole)
}

// control is who may call the service: nil, everybody, unless there is a file of tokens, or the service asks for client certificates
// that a CA has signed.
func (f *accessFlags) control(log *slog.Logger, certificates bool) (*access.Control, error) {
	role, err := f.role()
	if err != nil || f.tokenFile == "" && !certificates {
		return nil, err
	}
	control := &access.Control{CertRole: role}
	if f.tokenFile != "" {
		if control.Tokens, err = access.Open(f.tokenFile, log); err != nil {
			return nil, fmt.Errorf("--token-file: %w; name a file that fanout tokens add has written", err)
		}
	}
	return control, nil
}
