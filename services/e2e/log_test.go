package e2e

import (
	"bytes"
	"strings"
	"sync"
)

// safeBuffer is a buffer that one process writes and others read. It keeps what is needed to say why a test failed.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// tail is the end of the text, without the lines that each call leaves.
func (b *safeBuffer) tail(n int) string {
	var kept strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, `msg="finished call"`) {
			kept.WriteString(line)
		}
	}
	text := kept.String()
	return text[max(len(text)-n, 0):]
}
