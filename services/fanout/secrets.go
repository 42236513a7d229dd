package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/worker"
)

// secretFlags say which of its secrets a worker sends where a plan refers to them.
type secretFlags struct{ env, files []string }

func (f *secretFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.env, "allow-secret-env", nil, "let plans send the environment variable `NAME`, as ${env:NAME} in a header or body; may be repeated")
	cmd.Flags().StringArrayVar(&f.files, "allow-secret-file", nil, "let plans send the file at the absolute `PATH`, as ${file:PATH} in a header or body; may be repeated")
}

// secrets is what the flags allow.
func (f *secretFlags) secrets() (worker.Secrets, error) {
	allowed := worker.Secrets{Env: f.env, LookupEnv: os.LookupEnv}
	for _, name := range f.env {
		if name == "" || strings.ContainsAny(name, "=}") {
			return allowed, fmt.Errorf("--allow-secret-env %q is no name of a variable; give one, as API_TOKEN, without its value", name)
		}
	}
	for _, path := range f.files {
		if !filepath.IsAbs(path) || strings.Contains(path, "}") {
			return allowed, fmt.Errorf("--allow-secret-file %q is not an absolute path without braces; give one, as /run/secrets/token", path)
		}
		allowed.Files = append(allowed.Files, filepath.Clean(path))
	}
	return allowed, nil
}

// ownSecrets is for a worker in this process: who runs it owns the environment, and may read the files himself.
func ownSecrets() worker.Secrets { return worker.Secrets{All: true, LookupEnv: os.LookupEnv} }
