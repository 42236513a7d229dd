package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/internal/trialca"
)

const (
	// defaultDays is how long the certificates of a trial are valid: longer than a trial, shorter than anyone forgets that it was one.
	defaultDays = 30
	// maxDays is what browsers and TLS libraries took last for certificates of services.
	maxDays = 825
)

func newCerts(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Make certificates for a trial of TLS",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(newCertsInit(std))
	return cmd
}

// certsFlags are the flags of certs init.
type certsFlags struct {
	dir                         string
	workers, coordinators, both []string
	days                        int
}

func newCertsInit(std stdio) *cobra.Command {
	var f certsFlags
	cmd := &cobra.Command{
		Use:   "init [flags]",
		Short: "Make an authority, and certificates for workers, a coordinator and a client",
		Long: `Make an authority, and certificates for workers, a coordinator and a client, for a trial: ca, worker, coordinator and client,
each as NAME.pem with its private key in NAME-key.pem. Nothing is overwritten. Workers are known as worker and workers, the
coordinator as coordinator, both as localhost, 127.0.0.1 and ::1, and by the names that flags add. Who has ca-key.pem can make
certificates for anyone: keep it off the machines that serve.`,
		Example: `  fanout certs init
  fanout certs init --dir /etc/fanout --worker-name load.example.internal --host 10.0.0.7`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "fanout-certs", "write into the directory `DIR`")
	flags.StringArrayVar(&f.workers, "worker-name", nil, "`NAME` or IP address by which workers are dialled too; may be repeated")
	flags.StringArrayVar(&f.coordinators, "coordinator-name", nil, "`NAME` or IP address by which the coordinator is dialled too; may be repeated")
	flags.StringArrayVar(&f.both, "host", nil, "`NAME` or IP address of a machine on which either may run; may be repeated")
	flags.IntVar(&f.days, "days", defaultDays, "so many days they are valid")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := f.check(); err != nil {
			return usage(err)
		}
		now := time.Now()
		set := trialca.Set{
			Workers: slices.Concat(f.workers, f.both), Coordinators: slices.Concat(f.coordinators, f.both),
			From: now, To: now.AddDate(0, 0, f.days),
		}
		if err := set.Write(f.dir); err != nil {
			return failure(err)
		}
		return written(f.explain(std, set.To))
	}
	return cmd
}

// hostName is a name that a certificate can have: labels of letters, digits and hyphens.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func (f *certsFlags) check() error {
	if f.dir == "" {
		return errors.New(`--dir "" is no directory; give its path`)
	}
	if f.days < 1 || f.days > maxDays {
		return fmt.Errorf("--days %d is not between 1 and %d; give a number of days, as 30", f.days, maxDays)
	}
	for _, names := range []struct {
		flag string
		all  []string
	}{{"--worker-name", f.workers}, {"--coordinator-name", f.coordinators}, {"--host", f.both}} {
		for _, name := range names.all {
			if _, err := netip.ParseAddr(name); err != nil && !hostName.MatchString(name) {
				return fmt.Errorf("%s %q is no host name and no IP address; give one without a port, as worker-1.example.internal", names.flag, name)
			}
		}
	}
	return nil
}

// explain says what to do next, in lines to copy.
func (f *certsFlags) explain(std stdio, until time.Time) error {
	file := func(name string) string { return filepath.Join(f.dir, name) }
	as := func(name string) string {
		return fmt.Sprintf("--tls-cert %s --tls-key %s --tls-ca %s", file(name+".pem"), file(name+"-key.pem"), file("ca.pem"))
	}
	_, err := fmt.Fprintf(std.out, `Certificates for a trial are in %s, valid until %s. Keep %s off the machines that serve.

Each worker, and the target that it may send to:
  fanout worker --listen 0.0.0.0:7070 %s --allow-target HOST
The coordinator, where the name workers stands for their addresses; a list of names from --host does, too:
  fanout coordinator --listen 0.0.0.0:7071 --workers dns:///workers:7070 %s
A run:
  fanout run --coordinator coordinator:7071 %s URL
The same by hand:
  grpcurl -cacert %s -cert %s -key %s coordinator:7071 list
`, f.dir, until.UTC().Format(time.DateOnly), file("ca-key.pem"), as("worker"), as("coordinator"), as("client"),
		file("ca.pem"), file("client.pem"), file("client-key.pem"))
	return err
}
