package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

func newHealth(std stdio) *cobra.Command {
	var security clientSecurity
	cmd := &cobra.Command{
		Use:   "health [flags] HOST:PORT",
		Short: "Ask a worker or a coordinator whether it takes calls",
		Long: `Ask a worker or a coordinator whether it takes calls, and print SERVING, or NOT_SERVING while it drains. Exit code 0: it is
SERVING; 1: it is not, or does not answer. The --health-listen port of a service needs no flags here.`,
		Example: `  fanout health 127.0.0.1:7070
  fanout health --tls-ca ca.pem --tls-cert client.pem --tls-key client-key.pem worker:7070`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("health needs the address of one service, as in fanout health 127.0.0.1:7070")
			}
			return nil
		},
	}
	security.add(cmd.Flags())
	service := cmd.Flags().String("service", "", "ask for the service `NAME`, as fanout.v1.WorkerService (default the whole process)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address := args[0]
		err := checkAddress("the argument", address)
		if err != nil {
			return usage(err)
		}
		towards, err := security.openFor(cmd.Flags(), "an address", address)
		if err != nil {
			return usage(err)
		}
		conn, err := towards.New(address, "")
		if err != nil {
			return failure(err)
		}
		defer conn.Close()
		health, err := client.Health(cmd.Context(), conn, *service)
		switch {
		case rpcerr.IsNotFound(err):
			return failure(fmt.Errorf("%s knows no service %q; leave --service out to ask for the whole process", address, *service))
		case err != nil:
			return failure(fmt.Errorf("%s: %s", address, rpcerr.Text(err)))
		}
		if err := written(writeLine(std, health)); err != nil {
			return err
		}
		if health != client.Serving {
			return &exitError{code: exitFailure}
		}
		return nil
	}
	return cmd
}

func writeLine(std stdio, text string) error {
	_, err := fmt.Fprintln(std.out, text)
	return err
}
