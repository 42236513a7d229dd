package grpcdial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
)

// Token is a bearer token in a file. The file is read for each call, so that a token can be replaced while a process runs; it is never
// part of an error or a log. It is safe for concurrent use.
type Token struct{ path string }

const (
	// minToken and maxToken bound a token's bytes: a shorter one can be guessed, and what is longer is another kind of file.
	minToken = 16
	maxToken = 4096
)

// tokenText is what a bearer token may be (RFC 6750, section 2.1).
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// OpenToken reads the token for the first time: the first line of the file. The error names the flag and the file.
func OpenToken(flag, path string) (*Token, error) {
	t := &Token{path}
	if _, err := t.read(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, path, err)
	}
	return t, nil
}

// read is the token as the file has it now. Its errors name no file, and quote nothing of it.
func (t *Token) read() (string, error) {
	file, err := os.Open(t.path)
	if err != nil {
		return "", fmt.Errorf("%w; name a file that can be read", unwrapPath(err))
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, 2*maxToken))
	lines.Scan()
	text := lines.Text()
	switch {
	case lines.Err() != nil:
		return "", fmt.Errorf("%w; name a file that can be read", unwrapPath(lines.Err()))
	case !tokenText.MatchString(text):
		return "", errors.New("its first line is no token; put one there, of letters, digits and . _ ~ + / - alone")
	case len(text) < minToken, len(text) > maxToken:
		return "", fmt.Errorf("its token has %d characters, which is not between %d and %d; make a new one", len(text), minToken, maxToken)
	}
	return text, nil
}

// unwrapPath is what the system said, without the path that whoever reports it has said already.
func unwrapPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// bearer puts the token into each call.
type bearer struct {
	token  *Token
	secure bool // only over TLS
}

// GetRequestMetadata is grpc's.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	text, err := b.token.read()
	if err != nil {
		return nil, fmt.Errorf("the token file %s: %w", b.token.path, err)
	}
	return map[string]string{"authorization": "Bearer " + text}, nil
}

// RequireTransportSecurity is grpc's. Without TLS the connection is to this machine.
func (b bearer) RequireTransportSecurity() bool { return b.secure }
