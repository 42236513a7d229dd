package httpstd

import (
	"errors"
	"io"
	"net/http"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// read reads the response to its end. Of the slot's own response it keeps what the plan asks for; of a redirect's it only
// takes the body off the connection, so that the next hop can use it.
func (a *attempt) read(response *http.Response, final bool) error {
	if final {
		a.outcome.Headers = request.Kept(response.Header, a.client.plan.Outcomes.Headers)
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		// What follows is another protocol's, and no body.
		return response.Body.Close()
	}
	buffer := a.client.buffers.Get().(*[]byte)
	defer a.client.buffers.Put(buffer)
	var kept *outcome.Body
	limit := a.client.plan.Outcomes.BodyBytes
	if final && limit > 0 {
		kept = &outcome.Body{}
		a.outcome.Body = kept
	}
	most, size := a.client.config.MaxBody, int64(0)
	if most > 0 && response.ContentLength > most && response.Body != http.NoBody {
		return &errclass.BodyTooLargeError{Cap: most}
	}
	for {
		n, err := response.Body.Read(*buffer)
		if size += int64(n); most > 0 && size > most {
			return &errclass.BodyTooLargeError{Cap: most}
		}
		if final {
			a.outcome.ReceivedBytes += int64(n)
		}
		if kept != nil {
			kept.Keep((*buffer)[:n], limit)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return response.Body.Close()
		default:
			return err
		}
	}
}
