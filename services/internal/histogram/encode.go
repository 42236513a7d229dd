package histogram

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// HdrHistogram's V2 encoding, uncompressed: a header of 40 bytes, big-endian (cookie, length of the payload, normalizing
// offset, digits, lowest and highest value, ratio), then the counters as zig-zag LEB128 numbers in which a negative one is a
// run of zeros. A number's ninth byte, if it has one, carries eight bits.
const (
	cookie      = 0x1c849303 | 0x10
	headerBytes = 40
)

// Append appends the histogram's V2 encoding to b. It is the same for the same counters, however they came about.
func (h *Histogram) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, headerBytes)...)
	zeros := int64(0)
	for i := range pages {
		var p *page
		if h.pages != nil {
			p = h.pages[i]
		}
		if p == nil {
			zeros += pageLen
			continue
		}
		for _, n := range p {
			if n == 0 {
				zeros++
				continue
			}
			if zeros > 0 {
				b = appendZigZag(b, -zeros)
				zeros = 0
			}
			b = appendZigZag(b, n)
		}
	}
	header := b[start:]
	binary.BigEndian.PutUint32(header[0:], cookie)
	binary.BigEndian.PutUint32(header[4:], uint32(len(header)-headerBytes))
	binary.BigEndian.PutUint32(header[12:], digits)
	binary.BigEndian.PutUint64(header[16:], 1)
	binary.BigEndian.PutUint64(header[24:], uint64(highest))
	binary.BigEndian.PutUint64(header[32:], math.Float64bits(1))
	return b
}

// Decode is the histogram with the V2 encoding and the exact figures that travel beside it; an empty one has no bytes. It
// takes any bytes: it fails when they are not of our geometry, or do not have as many values as s says.
func Decode(encoded []byte, s Stats) (*Histogram, error) {
	h := &Histogram{}
	if len(encoded) == 0 && s.Count == 0 {
		return h, nil
	}
	payload, err := checkHeader(encoded)
	if err != nil {
		return nil, err
	}
	index, sum := int64(0), int64(0)
	for len(payload) > 0 {
		n, size := zigZag(payload)
		if size == 0 {
			return nil, errors.New("histogram: a counter is cut off")
		}
		payload = payload[size:]
		switch {
		case n <= 0 && (n == math.MinInt64 || -n > countersLen-index):
			return nil, errors.New("histogram: more counters than the geometry has")
		case n < 0:
			index -= n
		case index >= countersLen:
			return nil, errors.New("histogram: more counters than the geometry has")
		case n == 0:
			index++
		default:
			if sum += n; sum < 0 || sum > s.Count {
				return nil, fmt.Errorf("histogram: more than the %d values that are said", s.Count)
			}
			h.page(int(index >> pageBits))[index&(pageLen-1)] = n
			index++
		}
	}
	if sum != s.Count {
		return nil, fmt.Errorf("histogram: %d values where %d are said", sum, s.Count)
	}
	if s.Min < 0 || s.Max < s.Min || s.Sum < 0 || s.Clamped < 0 || s.Clamped > s.Count {
		return nil, errors.New("histogram: figures that cannot be")
	}
	h.stats = s
	return h, nil
}

func checkHeader(encoded []byte) ([]byte, error) {
	if len(encoded) < headerBytes {
		return nil, errors.New("histogram: the header is cut off")
	}
	payload := encoded[headerBytes:]
	switch {
	case binary.BigEndian.Uint32(encoded)&^0xf0 != cookie&^0xf0:
		return nil, errors.New("histogram: not HdrHistogram's V2 encoding")
	case int64(binary.BigEndian.Uint32(encoded[4:])) != int64(len(payload)):
		return nil, errors.New("histogram: the length is wrong")
	case binary.BigEndian.Uint32(encoded[8:]) != 0, binary.BigEndian.Uint32(encoded[12:]) != digits,
		binary.BigEndian.Uint64(encoded[16:]) != 1, binary.BigEndian.Uint64(encoded[24:]) != uint64(highest):
		return nil, errors.New("histogram: another geometry")
	}
	return payload, nil
}

// appendZigZag appends n as HdrHistogram's ZigZag LEB128: seven bits a byte, but eight in the ninth.
func appendZigZag(b []byte, n int64) []byte {
	u := uint64(n<<1) ^ uint64(n>>63)
	for range 8 {
		if u < 0x80 {
			return append(b, byte(u))
		}
		b = append(b, byte(u)|0x80)
		u >>= 7
	}
	return append(b, byte(u))
}

// zigZag reads a number and says how many bytes it took; 0: it is cut off.
func zigZag(b []byte) (n int64, size int) {
	var u uint64
	for size < len(b) {
		c := b[size]
		if size == 8 {
			u |= uint64(c) << 56
			size++
			return int64(u>>1) ^ -int64(u&1), size
		}
		u |= uint64(c&0x7f) << (7 * size)
		size++
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), size
		}
	}
	return 0, 0
}
