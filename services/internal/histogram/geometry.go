package histogram

import (
	"math/bits"
	"time"
)

// HdrHistogram's geometry for three significant digits: buckets of 2,048 counters, of which the lower half is shared with the
// bucket before, each bucket covering twice the range at half the resolution. Values are microseconds.
// Source: the HdrHistogram project's published algorithm (sub-bucket count = the least power of two ≥ 2 × 10^digits).
const (
	unit          = time.Microsecond
	digits        = 3
	subBuckets    = 2048
	half          = subBuckets / 2
	halfMagnitude = 10 // log2(half)
	highest       = int64(time.Hour / unit)
	bucketCount   = 22 // 2048 << 21 is the first range beyond one hour
	countersLen   = (bucketCount + 1) * half
)

// indexOf is the counter of a value in 0 … highest.
func indexOf(value int64) int {
	bucket := bits.Len64(uint64(value)|(subBuckets-1)) - (halfMagnitude + 1)
	sub := value >> bucket
	return bucket<<halfMagnitude + int(sub)
}

// rangeOf is the values of a counter: low inclusive, high exclusive.
func rangeOf(index int) (low, high int64) {
	bucket := index>>halfMagnitude - 1
	sub := int64(index&(half-1)) + half
	if bucket < 0 {
		bucket, sub = 0, sub-half
	}
	return sub << bucket, (sub + 1) << bucket
}
