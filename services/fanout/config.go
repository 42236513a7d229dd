package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// layeredHelp is what the help of every service says about its configuration.
const layeredHelp = `Every flag can also be given by the environment, as FANOUT_LISTEN for --listen, or in the YAML file that --config
names, by its name: "listen: 127.0.0.1:7070". A flag overrides the environment, which overrides the file. Lists are
separated by commas in the environment, and may be lists in the file; a variable that is empty is not set.`

// setting is what one layer of the configuration says of a flag.
type setting struct {
	source string   // as an error names it
	values []string // one, or those of a list
	isList bool
	tag    string // YAML's, of a single value; "" in the environment, where everything is text
}

// layered makes services take their flags from the environment and from a file too: where a flag is not given its variable counts,
// and where that is not set the file. It has to be called with all services, so that each knows the flags of the others.
func layered(std stdio, services ...*cobra.Command) []*cobra.Command {
	for _, cmd := range services {
		cmd.Long = cmd.Short + ".\n\n" + layeredHelp
		cmd.Flags().String("config", "", "YAML `FILE` with flags by their names")
		from := map[string]string{} // the source of each flag that was set here, by name
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
			unknown, err := configure(cmd, os.Environ(), flagNames(services), from)
			for _, u := range unknown {
				newLog(std.err).Warn("a variable is no flag of a service, and is ignored", "variable", u.name, "meant", u.meant)
			}
			return withSources(err, from)
		}
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return withSources(run(cmd, args), from) }
	}
	return services
}

// configure sets the flags that are not given from the environment, and those that are not there either from the file. It notes where
// each is from. known is the services by the name of each flag.
func configure(cmd *cobra.Command, environ []string, known map[string][]string, from map[string]string) ([]unknownVariable, error) {
	flags := cmd.Flags()
	environment, unknown := environmentSettings(environ, flags, known)
	if err := apply(flags, environment, from); err != nil {
		return unknown, usage(err)
	}
	path := flags.Lookup("config")
	switch {
	case !path.Changed:
		return unknown, nil
	case path.Value.String() == "":
		return unknown, usage(errors.New(`--config "" is no file; give its path, or leave it out`))
	}
	file, err := fileSettings(path.Value.String(), cmd, known)
	if err == nil {
		err = apply(flags, file, from)
	}
	if err != nil {
		return unknown, usage(err)
	}
	return unknown, nil
}

// isSetting reports whether a flag can be given in another layer: it is not for people only, and not for other programs only.
func isSetting(f *pflag.Flag) bool { return f.Name != "help" && !f.Hidden }

// flagNames is the services by the name of each flag that they have.
func flagNames(services []*cobra.Command) map[string][]string {
	names := map[string][]string{}
	for _, cmd := range services {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if isSetting(f) {
				names[f.Name] = append(names[f.Name], cmd.Name())
			}
		})
	}
	return names
}

// apply sets the flags that no earlier layer has, and notes their sources.
func apply(flags *pflag.FlagSet, layer map[string]setting, from map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(layer)) {
		flag := flags.Lookup(name)
		if flag.Changed {
			continue
		}
		if err := layer[name].apply(flags, flag); err != nil {
			return err
		}
		from[name] = layer[name].source
	}
	return nil
}

// kinds says what each type of flag takes, in words, and as tags of YAML; without tags, any value that its Set takes.
var kinds = map[string]struct {
	takes string
	tags  []string
}{
	"string":   {"text; put it in quotes", []string{"!!str"}},
	"int":      {"a whole number", []string{"!!int"}},
	"int64":    {"a whole number", []string{"!!int"}},
	"float64":  {"a number", []string{"!!int", "!!float"}},
	"bool":     {"true or false", []string{"!!bool"}},
	"duration": {"a duration, as 30s or 1h30m", nil},
}

// apply sets the flag.
func (s setting) apply(flags *pflag.FlagSet, flag *pflag.Flag) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		values := s.values
		if !s.isList {
			values = splitList(s.values[0])
		}
		if err := list.Replace(values); err != nil {
			return s.wrong(strings.Join(values, ","), err, "")
		}
		flag.Changed = true
		return nil
	}
	kind, known := kinds[flag.Value.Type()]
	if known && s.isList {
		return fmt.Errorf("%s: a list of %d values is not one value; give %s", s.source, len(s.values), kind.takes)
	}
	if s.tag != "" && kind.tags != nil && !slices.Contains(kind.tags, s.tag) {
		return fmt.Errorf("%s: %s is not %s", s.source, quoted(s.values[0]), kind.takes)
	}
	for _, value := range s.values {
		if err := flags.Set(flag.Name, value); err != nil {
			return s.wrong(value, err, kind.takes)
		}
	}
	return nil
}

// wrong says that a value is not what the flag takes, "" being what its own error says. Package pflag names the flag in it, which is not
// where the value stands.
func (s setting) wrong(value string, err error, takes string) error {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	switch text := err.Error(); {
	case takes != "" && strings.Contains(text, "out of range"):
		return fmt.Errorf("%s: %s is out of range; give a smaller number", s.source, quoted(value))
	case takes != "":
		return fmt.Errorf("%s: %s is not %s", s.source, quoted(value), takes)
	case strings.HasPrefix(text, quoted(value)):
		return fmt.Errorf("%s: %s", s.source, text)
	default:
		return fmt.Errorf("%s: %s: %s", s.source, quoted(value), text)
	}
}

// splitList is the values of a list in one text.
func splitList(text string) []string {
	values := []string{}
	for value := range strings.SplitSeq(text, ",") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// quoted is a value as an error shows it.
func quoted(value string) string { return fmt.Sprintf("%.80q", value) }

// mentioned is the flags in an error's text.
var mentioned = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// withSources adds to an error where the flags in it were given, if not on the command line.
func withSources(err error, from map[string]string) error {
	var exit *exitError
	if !errors.As(err, &exit) || exit.err == nil {
		return err
	}
	var sources []string
	for _, flag := range mentioned.FindAllString(exit.err.Error(), -1) {
		if source := from[strings.TrimPrefix(flag, "--")]; source != "" {
			if said := flag + " is given by " + source; !slices.Contains(sources, said) {
				sources = append(sources, said)
			}
		}
	}
	if len(sources) == 0 {
		return err
	}
	return &exitError{exit.code, fmt.Errorf("%w (%s)", exit.err, strings.Join(sources, ", "))}
}
