package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/worker"
)

// noState is the state directory that is none.
const noState = "none"

// stateFlag is the flag that says where a worker keeps which slots it has begun, for the worker that is started after it.
type stateFlag struct {
	dir  string
	flag func(string) bool // whether a flag is given
}

func (f *stateFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "state-dir", "", "`DIR` that tells a worker started again which slots it had begun, or none "+
		"(default fanout/worker-PORT in the user's runtime directory)")
	f.flag = cmd.Flags().Changed
}

func (f *stateFlag) check() error {
	if f.flag("state-dir") && f.dir == "" {
		return errors.New(`--state-dir "" is no directory; give its path, or none`)
	}
	return nil
}

// open takes the directory, which its owner closes; nil is none. A default that cannot be used is not worth a worker: without the
// directory it sends as well, and only its death leaves more slots unknown.
func (f *stateFlag) open(ctx context.Context, address net.Addr, log *slog.Logger) (*worker.State, error) {
	switch {
	case f.dir == noState:
		return nil, nil
	case f.flag("state-dir"):
		return worker.OpenState(ctx, f.dir)
	}
	state, err := openDefaultState(ctx, address)
	if err != nil {
		log.Warn("no state directory: if this worker is killed, slots that it was granted and did not begin are unknown too", "error", err)
		return nil, nil
	}
	return state, nil
}

// openDefaultState takes the directory of the worker at a port: one that is started again is told the same port, and two at once
// have different ones.
func openDefaultState(ctx context.Context, address net.Addr) (*worker.State, error) {
	name := "worker"
	if tcp, ok := address.(*net.TCPAddr); ok {
		name += "-" + strconv.Itoa(tcp.Port)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return worker.OpenState(ctx, filepath.Join(dir, "fanout", name))
	}
	dir := filepath.Join(os.TempDir(), "fanout-"+strconv.Itoa(os.Getuid()))
	if err := ownDir(dir); err != nil {
		return nil, err
	}
	return worker.OpenState(ctx, filepath.Join(dir, name))
}

// ownDir makes a directory among those of other users. One that is there has to be this user's alone: who else could write in it
// could put into a worker's mouth what it has begun.
func ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir) // a link may lead anywhere
	switch {
	case err != nil:
		return err
	case !info.IsDir() || !ownedByUs(info):
		return fmt.Errorf("%s is not a directory of this user alone; remove it, or choose another with --state-dir", dir)
	}
	return nil
}
