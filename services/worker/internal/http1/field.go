package http1

import "encoding/binary"

// fieldName is which of the header lines it is that frame a response.
type fieldName int

const (
	isOther fieldName = iota
	isContentLength
	isTransferEncoding
	isConnection
	isTrailer
)

// field takes a header line apart. It is false for one that is not plain: a name that is no token, or a value with a byte that
// RFC 9110 section 5.5 does not allow.
func field(line []byte) (name fieldName, value []byte, ok bool) {
	colon := 0
	for colon < len(line) && tokenByte[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return isOther, nil, false
	}
	value = line[colon+1:]
	if !isFieldValue(value) {
		return isOther, nil, false
	}
	switch colon {
	case len("trailer"):
		if equalFold(line[:colon], "trailer") {
			name = isTrailer
		}
	case len("connection"):
		if equalFold(line[:colon], "connection") {
			name = isConnection
		}
	case len("content-length"):
		if equalFold(line[:colon], "content-length") {
			name = isContentLength
		}
	case len("transfer-encoding"):
		if equalFold(line[:colon], "transfer-encoding") {
			name = isTransferEncoding
		}
	}
	if name != isOther {
		value = trim(value)
	}
	return name, value, true
}

// trim is b without blanks and tabs around it.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isFieldValue reports whether all bytes may be in a header's value: no control character but the tab. Eight bytes are looked
// at at once; a word with a suspicious byte is looked at again, byte by byte.
func isFieldValue(b []byte) bool {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	for len(b) >= 8 {
		word := binary.LittleEndian.Uint64(b)
		below := (word - ones*0x20) &^ word & high // bytes below 0x20 (a borrow can only add suspicion)
		del := word ^ ones*0x7f
		del = (del - ones) &^ del & high // bytes that are 0x7f
		if below|del != 0 && !areValueBytes(b[:8]) {
			return false
		}
		b = b[8:]
	}
	return areValueBytes(b)
}

func areValueBytes(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenByte is the bytes of a token, RFC 9110 section 5.6.2.
var tokenByte = func() (table [256]bool) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			table[c] = true
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		table[c] = true
	}
	return table
}()
