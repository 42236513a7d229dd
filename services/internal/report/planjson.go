package report

import (
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/plan"
)

type (
	planDocument struct {
		Requests []requestDocument `json:"requests"`
		Load     loadDocument      `json:"load"`
		HTTP     httpDocument      `json:"http"`
		Outcomes outcomesDocument  `json:"outcomes"`
	}

	requestDocument struct {
		URL     string           `json:"url"`
		Method  string           `json:"method"`
		Headers []headerDocument `json:"headers"`
		Body    *bodyDocument    `json:"body,omitempty"`
		Weight  int              `json:"weight"`
		Timeout seconds          `json:"timeout"`
		Group   string           `json:"group,omitempty"`
	}

	headerDocument struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}

	// bodyDocument has text or data, never both; an empty text is still a body.
	bodyDocument struct {
		Text      *string `json:"text,omitempty"`
		Data      []byte  `json:"data,omitempty"`
		Truncated bool    `json:"truncated,omitempty"`
	}

	loadDocument struct {
		Requests      int64               `json:"requests,omitempty"`
		Duration      seconds             `json:"duration,omitempty"`
		GraceDuration *seconds            `json:"graceDuration,omitempty"`
		ClosedLoop    *closedLoopDocument `json:"closedLoop,omitempty"`
		OpenLoop      *openLoopDocument   `json:"openLoop,omitempty"`
	}

	closedLoopDocument struct {
		Concurrency int64 `json:"concurrency"`
	}

	openLoopDocument struct {
		Stages         []stageDocument  `json:"stages"`
		MaxConcurrency int64            `json:"maxConcurrency,omitempty"`
		Poisson        *poissonDocument `json:"poisson,omitempty"`
		MaxLateness    seconds          `json:"maxLateness,omitempty"`
	}

	stageDocument struct {
		RatePerSecond    float64  `json:"ratePerSecond"`
		EndRatePerSecond *float64 `json:"endRatePerSecond,omitempty"`
		Duration         seconds  `json:"duration,omitempty"`
	}

	poissonDocument struct {
		Seed int64 `json:"seed"`
	}

	httpDocument struct {
		Timeout          seconds     `json:"timeout"`
		DialTimeout      seconds     `json:"dialTimeout"`
		TLSTimeout       seconds     `json:"tlsTimeout"`
		FirstByteTimeout seconds     `json:"firstByteTimeout,omitempty"`
		MaxRedirects     int         `json:"maxRedirects"`
		TLS              tlsDocument `json:"tls,omitzero"`
		SlotHeader       bool        `json:"slotHeader"`

		RequestsPerConnection int      `json:"requestsPerConnection,omitempty"`
		Engine                string   `json:"engine,omitempty"`
		AllowedTargets        []string `json:"allowedTargets,omitempty"`
	}

	tlsDocument struct {
		InsecureSkipVerify bool   `json:"insecureSkipVerify"`
		ServerName         string `json:"serverName,omitempty"`
		CAPEM              string `json:"caPem,omitempty"`
		CertPEM            string `json:"certPem,omitempty"`
	}

	outcomesDocument struct {
		Detail     string               `json:"detail,omitempty"`
		Body       *bodyOptionsDocument `json:"body,omitempty"`
		Headers    []string             `json:"headers"`
		SlowStream string               `json:"slowStream,omitempty"`
	}

	bodyOptionsDocument struct {
		MaxBytes int `json:"maxBytes"`
	}
)

// planOf is the plan without its secrets, whoever it comes from: a report is passed around.
func planOf(p *plan.Plan) *planDocument {
	if p == nil {
		return nil
	}
	p = p.Shown()
	d := &planDocument{
		Requests: make([]requestDocument, len(p.Requests)),
		Load:     loadOf(p.Load),
		HTTP: httpDocument{
			Timeout:          seconds(p.HTTP.Timeout),
			DialTimeout:      seconds(p.HTTP.DialTimeout),
			TLSTimeout:       seconds(p.HTTP.TLSTimeout),
			FirstByteTimeout: seconds(p.HTTP.FirstByteTimeout),
			MaxRedirects:     p.HTTP.MaxRedirects,
			TLS:              tlsOf(p.HTTP.TLS),
			SlotHeader:       p.HTTP.SlotHeader,

			RequestsPerConnection: p.HTTP.RequestsPerConnection,
			Engine:                option(p.HTTP.Engine),
			AllowedTargets:        p.HTTP.AllowedTargets,
		},
		Outcomes: outcomesDocument{
			Detail:     option(p.Outcomes.Detail),
			Headers:    append([]string{}, p.Outcomes.Headers...),
			SlowStream: option(p.Outcomes.SlowStream),
		},
	}
	for i, r := range p.Requests {
		d.Requests[i] = requestOf(r)
	}
	if n := p.Outcomes.BodyBytes; n != 0 {
		d.Outcomes.Body = &bodyOptionsDocument{n}
	}
	return d
}

// option is the name of an option; of one that was not given, "".
func option[O interface {
	~int32
	String() string
}](o O) string {
	if o == 0 {
		return ""
	}
	return o.String()
}

func requestOf(r plan.Request) requestDocument {
	d := requestDocument{
		URL:     r.URL,
		Method:  r.Method,
		Headers: make([]headerDocument, len(r.Headers)),
		Weight:  r.Weight,
		Timeout: seconds(r.Timeout),
		Group:   r.Group,
	}
	for i, h := range r.Headers {
		d.Headers[i] = headerDocument{h.Name, string(h.Value)}
	}
	if len(r.Body) > 0 {
		d.Body = bodyOf(r.Body, false)
	}
	return d
}

// bodyOf is a body as text if it is UTF-8, as data if not.
func bodyOf(body []byte, truncated bool) *bodyDocument {
	d := &bodyDocument{Truncated: truncated}
	if utf8.Valid(body) {
		text := string(body)
		d.Text = &text
	} else {
		d.Data = body
	}
	return d
}

func tlsOf(o plan.TLSOptions) tlsDocument {
	return tlsDocument{o.InsecureSkipVerify, o.ServerName, o.CAPEM, o.CertPEM}
}

func loadOf(l plan.Load) loadDocument {
	d := loadDocument{Requests: l.Requests, Duration: seconds(l.Duration), GraceDuration: (*seconds)(l.Grace)}
	if l.ClosedLoop != nil {
		d.ClosedLoop = &closedLoopDocument{l.ClosedLoop.Concurrency}
	}
	if l.OpenLoop != nil {
		d.OpenLoop = openLoopOf(l.OpenLoop)
	}
	return d
}

func openLoopOf(l *plan.OpenLoop) *openLoopDocument {
	d := &openLoopDocument{
		Stages:         make([]stageDocument, len(l.Stages)),
		MaxConcurrency: l.MaxConcurrency,
		MaxLateness:    seconds(l.MaxLateness),
	}
	for i, s := range l.Stages {
		d.Stages[i] = stageDocument{s.Rate, s.EndRate, seconds(s.Duration)}
	}
	if l.Poisson != nil {
		d.Poisson = &poissonDocument{l.Poisson.Seed}
	}
	return d
}
