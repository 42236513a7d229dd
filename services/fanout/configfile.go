package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// maxConfigBytes is the most that a configuration file may have: each flag, a thousand times over.
const maxConfigBytes = 1 << 20

// fileSettings is what a YAML file says of the command's flags. known is the services by the name of each flag.
func fileSettings(path string, cmd *cobra.Command, known map[string][]string) (map[string]setting, error) {
	content, err := readFile("--config", path, maxConfigBytes)
	if err != nil {
		return nil, err
	}
	root, err := parseYAML(content)
	if err != nil {
		return nil, fmt.Errorf("--config %s is not YAML: %w", path, err)
	}
	settings := map[string]setting{}
	if root == nil {
		return settings, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("--config %s, line %d: it has to hold flags by their names, as in \"listen: 127.0.0.1:7070\"", path, root.Line)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		name := key.Value
		s := setting{source: fmt.Sprintf("%s, line %d, %s", path, key.Line, printableKey(name))}
		if err := checkKey(name, cmd, known); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, key.Line, err)
		}
		if _, twice := settings[name]; twice {
			return nil, fmt.Errorf("%s: the key is there already; give each once", s.source)
		}
		if err := s.read(value, cmd.Flags().Lookup(name).Value.Type()); err != nil {
			return nil, fmt.Errorf("%s: %w", s.source, err)
		}
		settings[name] = s
	}
	return settings, nil
}

// parseYAML is the one document in the content; nil if it is empty.
func parseYAML(content []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, another yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&another); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document; give one")
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return root, nil
}

// checkKey says what is wrong with a key.
func checkKey(name string, cmd *cobra.Command, known map[string][]string) error {
	flag := cmd.Flags().Lookup(name)
	switch services := known[name]; {
	case name == "config":
		return errors.New("config names this file, and cannot be in it; take it out")
	case flag != nil && isSetting(flag):
		return nil
	case len(services) > 0:
		return fmt.Errorf("%s is a flag of fanout %s, and not of fanout %s; give each service a file of its own", name, strings.Join(services, " and "), cmd.Name())
	}
	var own []string
	for candidate, services := range known {
		if slices.Contains(services, cmd.Name()) && candidate != "config" {
			own = append(own, candidate)
		}
	}
	slices.Sort(own)
	if meant := nearest(name, own); meant != "" {
		return fmt.Errorf("%s is no flag of fanout %s; is %s meant?", printableKey(name), cmd.Name(), meant)
	}
	return fmt.Errorf("%s is no flag of fanout %s; fanout %s --help has them, and their names without -- are the keys", printableKey(name), cmd.Name(), cmd.Name())
}

// printableKey is a key as an error shows it: without quotes where none are needed.
func printableKey(name string) string {
	if mentioned.MatchString("--"+name) && len(name) <= 80 && mentioned.FindString("--"+name) == "--"+name {
		return name
	}
	return quoted(name)
}

// read takes the value of a key, for a flag of a type.
func (s *setting) read(value *yaml.Node, kind string) error {
	switch value.Kind {
	case yaml.ScalarNode:
		text, err := scalar(value, kind)
		s.values, s.tag = []string{text}, value.ShortTag()
		return err
	case yaml.SequenceNode:
		s.isList = true
		for _, element := range value.Content {
			if element.Kind != yaml.ScalarNode {
				return errors.New("a list has single values; give each as text")
			}
			text, err := scalar(element, kind)
			if err != nil {
				return err
			}
			s.values = append(s.values, text)
		}
		return nil
	case yaml.AliasNode:
		return fmt.Errorf("*%s refers to another value; write it out", value.Value)
	default:
		return errors.New("a flag has no keys of its own; give one value, or a list")
	}
}

// scalar is a single value as the flag's Set takes it.
func scalar(value *yaml.Node, kind string) (string, error) {
	switch tag := value.ShortTag(); {
	case tag == "!!null":
		return "", errors.New("the key has no value; give one, or take the key out")
	case kind == "float64" && (tag == "!!int" || tag == "!!float"): // 1_000_000 is a number of YAML, and none of package strconv
		var number float64
		if err := value.Decode(&number); err != nil {
			return "", fmt.Errorf("%s: out of range; give a smaller number", quoted(value.Value))
		}
		return strconv.FormatFloat(number, 'g', -1, 64), nil
	}
	return value.Value, nil
}
