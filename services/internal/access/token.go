package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

// Token is a secret that names its bearer. Only we make them, from 256 random bits: that is why one pass of SHA-256 is enough to keep
// them. A slow hash with salt is for secrets that people think up, which can be guessed; nobody guesses 2^256.
const (
	// tokenPrefix lets people and scanners of sources see what has leaked.
	tokenPrefix = "fanout_"
	tokenBytes  = 32
)

// base32 in lower case: it survives a shell, a URL that it must not be in, and being read aloud.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

var tokenLength = len(tokenPrefix) + encoding.EncodedLen(tokenBytes)

// Hash is what is kept of a token.
type Hash [sha256.Size]byte

// NewToken makes a token.
func NewToken() string {
	var secret [tokenBytes]byte
	_, _ = rand.Read(secret[:]) // never fails: the process ends if the system has no randomness
	return tokenPrefix + encoding.EncodeToString(secret[:])
}

// HashOf is what is kept of the token.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// isToken reports whether the text has the form of a token that we made. Others are not looked up: whoever hashes a word of their own into
// the file has no token.
func isToken(text string) bool {
	if len(text) != tokenLength || !strings.HasPrefix(text, tokenPrefix) {
		return false
	}
	_, err := encoding.DecodeString(text[len(tokenPrefix):])
	return err == nil
}

// token is who has the token. Every entry is compared in constant time, though the hash alone would do: what a look-up by hash tells by
// the time it takes is about the hash of a guess, from which no way leads to a token.
func (l *List) token(token string) (Caller, error) {
	if !isToken(token) {
		return Caller{}, ErrUnknown
	}
	hash := HashOf(token)
	found := -1
	for i := range l.entries {
		match := subtle.ConstantTimeCompare(hash[:], l.entries[i].Hash[:])
		if l.entries[i].Cert {
			match = 0 // its hash is not one
		}
		found = subtle.ConstantTimeSelect(match, i, found)
	}
	if found < 0 {
		return Caller{}, ErrUnknown
	}
	return Caller{Subject: l.entries[found].Name, Role: l.entries[found].Role}, nil
}

// certificate is the role that the list gives to certificates of this identity.
func (l *List) certificate(identity string) (Role, bool) {
	for i := range l.entries {
		if l.entries[i].Cert && l.entries[i].Name == identity {
			return l.entries[i].Role, true
		}
	}
	return None, false
}
