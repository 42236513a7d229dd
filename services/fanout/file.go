package main

import (
	"fmt"
	"io"
	"os"
)

// readFile reads the file that a flag names, if it has at most so many bytes. It may be a pipe, or a device without end.
func readFile(flag, name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; name a file that can be read", flag, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w; name a file that can be read", flag, err)
	case int64(len(content)) > most:
		return nil, fmt.Errorf("%s: %s is longer than the cap of %d bytes; use a smaller file", flag, name, most)
	}
	return content, nil
}
