package plan

import (
	"fmt"
	"io"
)

// Secret is text that does not show: however it is formatted, logged or encoded, what stands there is a placeholder. A
// conversion to string reveals it.
type Secret string

// SecretBytes is what Secret is, for bytes.
type SecretBytes []byte

// placeholder stands for a secret.
const placeholder = "[redacted]"

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return placeholder
}

// Format writes the placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// MarshalText is the placeholder: for JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

// Format writes the placeholder, whatever the verb.
func (s SecretBytes) Format(f fmt.State, verb rune) { Secret(s).Format(f, verb) }

// MarshalText is the placeholder: for JSON and logs.
func (s SecretBytes) MarshalText() ([]byte, error) { return Secret(s).MarshalText() }
