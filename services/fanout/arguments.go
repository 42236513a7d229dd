package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// checkText refuses arguments that could not travel in a message: what they say is text.
func checkText(args []string) error {
	for i, arg := range args {
		if utf8.ValidString(arg) {
			continue
		}
		flag, value, joined := strings.Cut(arg, "=")
		switch {
		case joined && strings.HasPrefix(flag, "-"):
		case i > 0 && strings.HasPrefix(args[i-1], "-"):
			flag, value = args[i-1], arg
		default:
			flag, value = "", plan.ShownURL(arg)
		}
		return usage(fmt.Errorf("%s is not UTF-8; use UTF-8, or -D for a body of other bytes", shownArgument(flag, value)))
	}
	return nil
}

// shownArgument is a flag and its value, but for those whose values may be secrets.
func shownArgument(flag, value string) string {
	switch {
	case flag == "":
		return strconv.Quote(value)
	case slices.Contains([]string{"-H", "--header", "-d", "--data"}, flag):
		return fmt.Sprintf("%s: a value of %d bytes", flag, len(value))
	default:
		return flag + " " + strconv.Quote(value)
	}
}

// checkAddress refuses what is not HOST:PORT. Workers and coordinators differ in their usual ports.
func checkAddress(flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return nil
		}
	}
	port = "7070"
	if flag == "--coordinator" {
		port = "7071"
	}
	return fmt.Errorf("%s %q is not HOST:PORT, as in 127.0.0.1:%s", flag, address, port)
}

// badNumber is what package flag says of a number that is none.
var badNumber = regexp.MustCompile(`^invalid argument ("(?:[^"\\\\]|\\\\.)*") for "([^"]*)" flag: (?:strconv\.Parse(Int|Float): .*: |(time): )(.*)$`)

// plainFlagError says what is wrong with a flag without the words of Go.
func plainFlagError(err error) error {
	parts := badNumber.FindStringSubmatch(err.Error())
	if parts == nil {
		return err
	}
	kind := map[string]string{"Int": "a whole number", "Float": "a number", "time": "a duration, as 30s or 1h30m"}[parts[3]+parts[4]]
	if strings.Contains(parts[5], "range") {
		return fmt.Errorf("%s %s is out of range; use a smaller number", parts[2], parts[1])
	}
	return fmt.Errorf("%s %s is not %s", parts[2], parts[1], kind)
}

// strict makes the commands that come with package cobra fail where they are used wrongly: their help on standard output, and
// success, would end up in somebody's file of completions.
func strict(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args = nil
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return errors.New("completion needs a shell: bash, zsh, fish or powershell")
				}
				return fmt.Errorf("completion knows no shell %q; use bash, zsh, fish or powershell", args[0])
			}
		case "help":
			help := cmd.Run
			cmd.Run = nil
			cmd.RunE = func(c *cobra.Command, args []string) error {
				if found, _, err := root.Find(args); err != nil || found == nil {
					return fmt.Errorf("unknown command %q for %q", strings.Join(args, " "), root.Name())
				}
				help(c, args)
				return nil
			}
		}
	}
}
