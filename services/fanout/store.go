package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/coordinator"
)

// memory is the store that is none in a file.
const memory = "memory"

// defaultKeep is how many runs that have ended a store keeps: a few months of nightly ones, and of a size that nobody notices.
const defaultKeep = 1000

// storeFlags are the flags that say where a coordinator keeps its runs.
type storeFlags struct {
	path string
	keep int
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "store", "",
		"`PATH` of the file that keeps the runs, or memory (default fanout/coordinator.db in the user's state directory)")
	cmd.Flags().IntVar(&f.keep, "keep-runs", defaultKeep, "keep the newest `N` of the runs that have ended")
}

// check finds the default store, and what is wrong with the flags.
func (f *storeFlags) check(flags *pflag.FlagSet) error {
	if flags.Changed("keep-runs") && f.keep < 1 {
		return fmt.Errorf("--keep-runs %d is not at least 1; give a number of runs, as 1000", f.keep)
	}
	if flags.Changed("store") {
		return checkStore(f.path)
	}
	var err error
	f.path, err = defaultStore()
	return err
}

func checkStore(path string) error {
	if path == "" {
		return errors.New(`--store "" is no file; give its path, or memory`)
	}
	return nil
}

// defaultStore is the file of a coordinator that is not told another: in $XDG_STATE_HOME, which is ~/.local/state if it is not
// set; a path there that is not absolute is to be ignored (XDG Base Directory Specification).
func defaultStore() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return "", errors.New("there is no home directory for the default store; give --store PATH, or --store memory")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "fanout", "coordinator.db"), nil
}

// open opens the store, which its owner closes.
func (f *storeFlags) open(ctx context.Context) (coordinator.Store, error) {
	return openStore(ctx, f.path, f.keep)
}

// closing closes a store after what was done with it, whose error comes first.
func closing(store coordinator.Store, err error) error {
	if closed := store.Close(); err == nil && closed != nil {
		return failure(closed)
	}
	return err
}

func openStore(ctx context.Context, path string, keep int) (coordinator.Store, error) {
	if path == memory {
		return coordinator.MemoryStore(keep), nil
	}
	return coordinator.OpenStore(ctx, path, keep)
}
