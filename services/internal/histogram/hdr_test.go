package histogram

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawDurations(t *rapid.T, label string) []time.Duration {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		scale := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Minute}).Draw(t, "scale")
		return time.Duration(rapid.Int64Range(0, 3600).Draw(t, "value")) * scale / 60
	}), 0, 200).Draw(t, label)
}

func recorded(values ...time.Duration) *Histogram {
	h := new(Histogram)
	for _, v := range values {
		h.Record(v)
	}
	return h
}

// The counters, the quantiles and the encoding are those of HdrHistogram's own Go library.
func TestAgreesWithHdrHistogram(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := drawDurations(t, "values")
		ours, theirs := recorded(values...), hdr.New(1, highest, digits)
		for _, v := range values {
			if err := theirs.RecordValue(v.Microseconds()); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			if len(values) == 0 {
				break
			}
			// The library rounds q × count to the nearest rank where HdrHistogram's own takes the next one: asked for our
			// rank, it has to give our value.
			rank := math.Ceil(q * float64(len(values)))
			want := time.Duration(theirs.ValueAtQuantile(rank/float64(len(values))*100)) * unit
			want = min(max(want, ours.Stats().Min), ours.Stats().Max)
			if got := ours.Quantile(q); got != want {
				t.Fatalf("Quantile(%v) = %v, want %v", q, got, want)
			}
		}
		read, err := hdr.Decode(wrap(t, ours.Append(nil)))
		if err != nil {
			t.Fatalf("HdrHistogram does not read ours: %v", err)
		}
		if !read.Equals(theirs) {
			t.Fatal("HdrHistogram reads another histogram than was recorded")
		}
		encoded, err := theirs.Encode(hdr.V2CompressedEncodingCookieBase)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(unwrap(t, encoded), ours.Stats())
		if err != nil {
			t.Fatalf("Decode of HdrHistogram's = %v", err)
		}
		if diff := cmp.Diff(slices.Collect(ours.Buckets()), slices.Collect(back.Buckets())); diff != "" {
			t.Fatalf("Decode of HdrHistogram's (-ours +theirs): %s", diff)
		}
	})
}

// wrap makes of our encoding the compressed one in base64 that the library reads.
func wrap(t *rapid.T, encoded []byte) []byte {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(encoded); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(hdr.V2CompressedEncodingCookieBase|0x10))
	header = binary.BigEndian.AppendUint32(header, uint32(packed.Len()))
	return []byte(base64.StdEncoding.EncodeToString(append(header, packed.Bytes()...)))
}

func unwrap(t *rapid.T, text []byte) []byte {
	packed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[8:]))
	if err != nil {
		t.Fatal(err)
	}
	var encoded bytes.Buffer
	if _, err := encoded.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return encoded.Bytes()
}

// Values come back as they were, in whatever order they were recorded and however they were merged; a quantile is within the
// geometry's error of that of the pooled values.
func TestMergingLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDurations(t, "a"), drawDurations(t, "b")
		pooled := slices.Concat(a, b)
		whole := recorded(rapid.Permutation(pooled).Draw(t, "order")...)
		for _, pair := range [][2][]time.Duration{{a, b}, {b, a}} {
			merged := recorded(pair[0]...)
			merged.Merge(recorded(pair[1]...))
			merged.Merge(nil)
			merged.Merge(new(Histogram))
			same(t, merged, whole)
		}
		decoded, err := Decode(whole.Append(nil), whole.Stats())
		if err != nil {
			t.Fatalf("Decode = %v", err)
		}
		same(t, decoded, whole)
		same(t, whole.Clone(), whole)
		if len(pooled) == 0 {
			return
		}
		several := rapid.SliceOf(rapid.Float64Range(-0.5, 1.5)).Draw(t, "several quantiles")
		for i, got := range whole.Quantiles(several...) {
			if want := whole.Quantile(several[i]); got != want {
				t.Fatalf("Quantiles(%v)[%d] = %v, want %v", several, i, got, want)
			}
		}
		slices.Sort(pooled)
		last := time.Duration(0)
		for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 1} {
			want := pooled[max(int(math.Ceil(q*float64(len(pooled)))), 1)-1]
			got := whole.Quantile(q)
			if difference := (got - want).Abs(); difference > want/1000+2*unit {
				t.Fatalf("Quantile(%v) = %v, want %v", q, got, want)
			}
			if got < last || got < whole.Stats().Min || got > whole.Stats().Max {
				t.Fatalf("Quantile(%v) = %v, after %v, within %v to %v", q, got, last, whole.Stats().Min, whole.Stats().Max)
			}
			last = got
		}
	})
}

func same(t *rapid.T, got, want *Histogram) {
	t.Helper()
	if diff := cmp.Diff(want.Stats(), got.Stats()); diff != "" {
		t.Fatalf("stats (-want +got): %s", diff)
	}
	if !bytes.Equal(got.Append(nil), want.Append(nil)) {
		t.Fatal("the counters differ")
	}
}

func TestEdges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		value     time.Duration
		low, high time.Duration
		clamped   int64
	}{
		{"negative", -time.Second, 0, unit, 0},
		{"zero", 0, 0, unit, 0},
		{"less than a microsecond", 999, 0, unit, 0},
		{"one microsecond", unit, unit, 2 * unit, 0},
		{"last of the finest", 2047 * unit, 2047 * unit, 2048 * unit, 0},
		{"first of the next", 2048 * unit, 2048 * unit, 2050 * unit, 0},
		{"one second", time.Second, 999_936 * unit, 1_000_448 * unit, 0},
		{"one hour", time.Hour, 3_598_712_832 * unit, 3_600_809_984 * unit, 0},
		{"more than one hour", 2 * time.Hour, 3_598_712_832 * unit, 3_600_809_984 * unit, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := recorded(tt.value)
			b := slices.Collect(h.Buckets())
			if len(b) != 1 || b[0].Count != 1 || b[0].Low != tt.low || b[0].High != tt.high {
				t.Errorf("Buckets = %+v, want %v to %v", b, tt.low, tt.high)
			}
			if s := h.Stats(); s.Clamped != tt.clamped || s.Max != max(tt.value, 0) || h.Quantile(0.5) != s.Max {
				t.Errorf("Stats = %+v, median %v", s, h.Quantile(0.5))
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := recorded(unit, time.Millisecond, time.Second)
	stats := good.Stats()
	other := stats
	other.Count++
	change := func(at int) []byte {
		b := good.Append(nil)
		b[at] ^= 0x40
		return b
	}
	for _, tt := range []struct {
		name    string
		encoded []byte
		stats   Stats
	}{
		{"nothing where values are said", nil, stats},
		{"a header that is cut off", good.Append(nil)[:20], stats},
		{"a payload that is cut off", good.Append(nil)[:headerBytes+1], stats},
		{"another cookie", change(0), stats},
		{"another length", change(7), stats},
		{"other digits", change(15), stats},
		{"another range", change(31), stats},
		{"another count", good.Append(nil), other},
		{"figures that cannot be", good.Append(nil), Stats{Count: 3, Min: 2, Max: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Decode(tt.encoded, tt.stats); err == nil {
				t.Error("Decode = nil, want an error")
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(recorded(unit, time.Second).Append(nil), int64(2))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, encoded []byte, count int64) {
		h, err := Decode(encoded, Stats{Count: count, Max: time.Hour})
		if err != nil {
			return
		}
		again, err := Decode(h.Append(nil), h.Stats())
		if err != nil || !bytes.Equal(again.Append(nil), h.Append(nil)) {
			t.Errorf("what was decoded does not come back: %v", err)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	b.ReportAllocs()
	h := new(Histogram)
	for i := 0; b.Loop(); i++ {
		h.Record(time.Duration(i%100_000) * unit)
	}
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	h := new(Histogram)
	for i := range 100_000 {
		h.Record(time.Duration(i) * unit)
	}
	var buffer []byte
	for b.Loop() {
		buffer = h.Append(buffer[:0])
	}
}
