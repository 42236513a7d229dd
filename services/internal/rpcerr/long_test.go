package rpcerr

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a caller sends comes back in messages, which travel in headers.
func TestAMessageIsNoLongerThanAHeaderTakes(t *testing.T) {
	t.Parallel()
	for _, quoted := range []string{strings.Repeat("x", 4<<20), strings.Repeat("ü", 2<<20), "u" + strings.Repeat("ü", 2<<20), strings.Repeat("\x00", 1<<20)} {
		s := status.Convert(NotFound("%q is not here", quoted))
		if len(s.Message()) > maxMessage+len("…") || !utf8.ValidString(s.Message()) || s.Code() != codes.NotFound || len(s.Details()) != 1 {
			t.Errorf("NotFound with %d bytes = %v with %d bytes and %d details, want at most %d", len(quoted), s.Code(), len(s.Message()), len(s.Details()), maxMessage)
		}
	}
}
