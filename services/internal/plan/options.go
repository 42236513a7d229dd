package plan

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

func name(names []string, n int32) string {
	if n >= 0 && int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return "UNSPECIFIED"
}
