package schedule

import "math"

// goldenGamma is the step of SplitMix64's sequence: 2^64 divided by the golden ratio, made odd.
const goldenGamma = 0x9e3779b97f4a7c15

// splitMix is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func splitMix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// word is number n of the key's sequence, which is SplitMix64's: it can be entered anywhere. A number can itself be the key
// of another sequence, which is how one seed becomes many that are independent.
func word(key, n uint64) uint64 { return splitMix(key + (n+1)*goldenGamma) }

// random reads a key's sequence from its beginning. Its variates have the same bits on every machine: where a compiler might
// fuse a product and a sum into one rounding, which some do on some machines, a conversion keeps it from that.
type random struct{ key, n uint64 }

func (r *random) next() uint64 {
	n := r.n
	r.n++
	return word(r.key, n)
}

// unit is uniform in (0, 1).
func (r *random) unit() float64 { return (float64(r.next()>>12) + 0.5) * 0x1p-52 }

// normal is a standard normal variate: Marsaglia's polar method (Marsaglia and Bray, "A convenient method for generating
// normal variables", 1964).
func (r *random) normal() float64 {
	for {
		x, y := 2*r.unit()-1, 2*r.unit()-1
		if s := float64(x*x) + float64(y*y); s > 0 && s < 1 {
			return x * math.Sqrt(-2*logarithm(s)/s)
		}
	}
}

// gamma is a Gamma(shape, 1) variate for a shape of at least 1: Marsaglia and Tsang, "A simple method for generating gamma
// variables", 2000.
func (r *random) gamma(shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.normal()
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = float64(v*v) * v
		u := r.unit()
		square := float64(x * x)
		if u < 1-float64(0.0331*float64(square*square)) ||
			logarithm(u) < float64(0.5*square)+float64(d*(1-v+logarithm(v))) {
			return d * v
		}
	}
}

// atanhSeries is the coefficients of atanh(s)/s in powers of s², the highest first. For the s of logarithm, the next one is
// less than a unit in the last place.
var atanhSeries = [...]float64{
	1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1,
}

// logarithm is the natural logarithm of a positive, normal x, to a few units in the last place. math.Log is another function
// on some machines, in the last bit.
func logarithm(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	if fraction < math.Sqrt2/2 {
		fraction, exponent = 2*fraction, exponent-1
	}
	// log f = 2 atanh((f-1)/(f+1)), and that argument is at most 0.172.
	s := (fraction - 1) / (fraction + 1)
	square := float64(s * s)
	sum := 0.0
	for _, c := range atanhSeries {
		sum = float64(sum*square) + c
	}
	return float64(float64(exponent)*math.Ln2) + float64(2*s*sum)
}
