package plan

const (
	// MaxCertificateBytes is the most of certificates in one field. It holds all public authorities several times over (they are
	// 220 KiB).
	MaxCertificateBytes = 1 << 20
	// MaxKeyBytes is the most of a private key. It holds an RSA key of 16,384 bits five times.
	MaxKeyBytes = 64 << 10
)

// Engine is what speaks HTTP. The numbers are those of fanout.v1.Engine, which a test of package wire holds.
type Engine int32

// The engines.
const (
	EngineHTTP1 Engine = 1 // package http1
	EngineStd   Engine = 2 // net/http, the reference
)

var engineNames = [...]string{EngineHTTP1: "HTTP1", EngineStd: "STD"}

// String is the engine's name in the API, without its prefix.
func (e Engine) String() string { return name(engineNames[:], int32(e)) }

// Engines is every engine, in order.
func Engines() []Engine { return []Engine{EngineHTTP1, EngineStd} }

// Detail is which outcomes come back one by one. The numbers are those of fanout.v1.Detail.
type Detail int32

// The details.
const (
	DetailEvery     Detail = 1
	DetailTallyOnly Detail = 2 // none: they are in the tally alone
)

var detailNames = [...]string{DetailEvery: "EVERY", DetailTallyOnly: "TALLY_ONLY"}

// String is the detail's name in the API, without its prefix.
func (d Detail) String() string { return name(detailNames[:], int32(d)) }

// Details is every detail, in order.
func Details() []Detail { return []Detail{DetailEvery, DetailTallyOnly} }

// SlowStream is what happens when the stream is slower than the load. The numbers are those of fanout.v1.SlowStream. In a plan it
// may be 0: the default of a direct call, or that of a run and its shards.
type SlowStream int32

// What happens.
const (
	SlowStreamWait SlowStream = 1 // senders wait
	SlowStreamFold SlowStream = 2 // outcomes go into the tally alone
)

var slowStreamNames = [...]string{SlowStreamWait: "WAIT", SlowStreamFold: "FOLD"}

// String is the name in the API, without its prefix.
func (s SlowStream) String() string { return name(slowStreamNames[:], int32(s)) }

// SlowStreams is all of them, in order.
func SlowStreams() []SlowStream { return []SlowStream{SlowStreamWait, SlowStreamFold} }

func name(names []string, n int32) string {
	if n >= 0 && int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return "UNSPECIFIED"
}
