package egress

import (
	"context"
	"sync"
	"time"
)

const (
	// atOnce is how many connections are begun at once. To open one takes tenths of a millisecond of a core, more with TLS or when most
	// local ports are taken: where ten thousand goroutines want that at the same moment, whatever else the process has to do waits for
	// all of them, for seconds. So they wait here, and not for a core.
	atOnce = 256
	// slice is how long one may take before the next is let in: by then it waits for the network, which costs nothing.
	slice = 50 * time.Millisecond
)

// gate lets goroutines in that begin a connection.
type gate struct {
	once   sync.Once
	places chan struct{}
}

func (d *Dialer) places() chan struct{} {
	d.gate.once.Do(func() { d.gate.places = make(chan struct{}, atOnce) })
	return d.gate.places
}

// Enter waits until a connection may be begun. Whoever has entered calls leave, when it is open or has failed. Without a place in time
// the error is the context's.
func (d *Dialer) Enter(ctx context.Context) (leave func(), err error) {
	places := d.places()
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	free := func() { <-places }
	timer := time.AfterFunc(slice, free)
	return func() {
		if timer.Stop() {
			free()
		}
	}, nil
}

// IsCrowded reports whether as many connections are being begun as may at once.
func (d *Dialer) IsCrowded() bool {
	places := d.places()
	return len(places) == cap(places)
}
