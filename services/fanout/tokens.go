package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/internal/access"
)

func newTokens(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Keep the file of tokens that says who may call a service",
		Long: `Keep the file of tokens that says who may call a service. It has the names and roles of the callers and hashes of their tokens,
never a token. A worker or a coordinator that was started with --token-file FILE reads it again when it changes.

Roles: a reader looks at workers and runs, a runner also sends requests and ends what it has begun, an admin also ends what others have
begun.`,
		Example: `  fanout tokens add --file tokens --name ann --role runner > ann.token
  fanout tokens add --file tokens --name coordinator.fanout.internal --role runner --cert
  fanout tokens remove --file tokens --name ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(newTokensAdd(std), newTokensList(std), newTokensRemove())
	return cmd
}

// tokensFlags are the flags that say which line of which file is meant.
type tokensFlags struct{ file, name string }

func (f *tokensFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "file", "", "the `FILE` of tokens")
}

func (f *tokensFlags) addName(cmd *cobra.Command) {
	f.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME` of the caller; of a certificate its first URI, DNS name or e-mail address")
}

func (f *tokensFlags) check(cmd *cobra.Command) error {
	if f.file == "" {
		return fmt.Errorf("%s needs --file, the file of tokens", cmd.CommandPath())
	}
	if cmd.Flags().Lookup("name") != nil && !access.ValidName(f.name) {
		return fmt.Errorf("--name %.140q is no name; use 1 to 128 letters, digits and . _ @ : + / -", f.name)
	}
	return nil
}

func newTokensAdd(std stdio) *cobra.Command {
	var (
		f    tokensFlags
		role string
		cert bool
	)
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make a token, print it, and add its hash to the file",
		Long: `Make a token, print it, and add its hash to the file, which is made if it is not there. The token is printed this once and kept
nowhere. With --cert no token is made: the role is that of the client certificate with this name.`,
		Args: cobra.NoArgs,
	}
	f.addName(cmd)
	cmd.Flags().StringVar(&role, "role", "", "role of the caller: reader, runner or admin")
	cmd.Flags().BoolVar(&cert, "cert", false, "the caller has a client certificate and no token")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(cmd); err != nil {
			return usage(err)
		}
		entry := access.Entry{Name: f.name, Cert: cert}
		var ok bool
		if entry.Role, ok = access.ParseRole(role); !ok {
			return usage(fmt.Errorf("--role %q is not reader, runner or admin", role))
		}
		token := ""
		if !cert {
			token = access.NewToken()
			entry.Hash = access.HashOf(token)
		}
		if err := access.Add(f.file, entry); err != nil {
			return failure(err)
		}
		if cert {
			return nil
		}
		if _, err := fmt.Fprintln(std.out, token); err != nil {
			return failure(errors.Join(fmt.Errorf("the token could not be printed, and is lost: %w", err), access.Remove(f.file, f.name)))
		}
		return nil
	}
	return cmd
}

func newTokensList(std stdio) *cobra.Command {
	var (
		f      tokensFlags
		output string
	)
	cmd := &cobra.Command{Use: "list", Short: "List the names and roles in the file", Args: cobra.NoArgs}
	f.add(cmd)
	addOutput(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(cmd); err != nil {
			return usage(err)
		}
		if err := checkOutput(output); err != nil {
			return err
		}
		list, err := access.ReadList(f.file)
		if err != nil {
			return failure(err)
		}
		return written(printCallers(std.out, output, list.Entries()))
	}
	return cmd
}

// callerDocument is a caller in JSON.
type callerDocument struct {
	Name string `json:"name"`
	Role string `json:"role"`
	By   string `json:"by"` // token or certificate
}

// printCallers prints who is in the list, without hashes.
func printCallers(w io.Writer, output string, entries []access.Entry) error {
	callers := make([]callerDocument, len(entries))
	width := 0
	for i, e := range entries {
		callers[i] = callerDocument{e.Name, e.Role.String(), "token"}
		if e.Cert {
			callers[i].By = "certificate"
		}
		width = max(width, len(e.Name))
	}
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string][]callerDocument{"callers": callers})
	}
	for _, c := range callers {
		if _, err := fmt.Fprintf(w, "%-*s  %-6s  %s\n", width, c.Name, c.Role, c.By); err != nil {
			return err
		}
	}
	return nil
}

func newTokensRemove() *cobra.Command {
	var f tokensFlags
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Remove a caller from the file",
		Long: `Remove a caller from the file. Services that read it refuse its token a second later at most; a stream that the caller has open goes
on to its end, which fanout stop-all brings about.`,
		Args: cobra.NoArgs,
	}
	f.addName(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(cmd); err != nil {
			return usage(err)
		}
		if err := access.Remove(f.file, f.name); err != nil {
			return failure(err)
		}
		return nil
	}
	return cmd
}
