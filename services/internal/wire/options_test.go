package wire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestHTTPViolations(t *testing.T) {
	t.Parallel()
	http := func(h *fanoutv1.HttpOptions) func(*fanoutv1.Plan) { return func(pb *fanoutv1.Plan) { pb.Http = h } }
	name := func(s string) func(*fanoutv1.Plan) {
		return http(&fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{ServerName: s}})
	}
	ca := func(s string) func(*fanoutv1.Plan) {
		return http(&fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{CaPem: s}})
	}
	identity := func(cert, key string) func(*fanoutv1.Plan) {
		return http(&fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{CertPem: cert, KeyPem: key}})
	}
	cert, key := certificate()
	_, otherKey := newCertificate()
	const (
		serverName = "plan.http.tls.server_name"
		caPEM      = "plan.http.tls.ca_pem"
		certPEM    = "plan.http.tls.cert_pem"
		keyPEM     = "plan.http.tls.key_pem"
	)
	for _, tt := range []planCase{
		{"timeout", http(&fanoutv1.HttpOptions{Timeout: durationpb.New(0)}), "plan.http.timeout", "0s", "leave it out"},
		{"dial_timeout", http(&fanoutv1.HttpOptions{DialTimeout: durationpb.New(-time.Minute)}), "plan.http.dial_timeout", "-1m ", "more than 0"},
		{"tls_timeout", http(&fanoutv1.HttpOptions{TlsTimeout: durationpb.New(25 * time.Hour)}), "plan.http.tls_timeout", "25h ", "cap"},
		{"first_byte_timeout", http(&fanoutv1.HttpOptions{FirstByteTimeout: &durationpb.Duration{Nanos: 1e9}}), "plan.http.first_byte_timeout", "0 s and 1000000000 ns", "not a duration"},
		{"max_redirects below 0", http(&fanoutv1.HttpOptions{MaxRedirects: -1}), "plan.http.max_redirects", "-1", "0 to 50"},
		{"max_redirects above 50", http(&fanoutv1.HttpOptions{MaxRedirects: 51}), "plan.http.max_redirects", "51", "the worker's cap of 50 (max_redirect_count);"},

		{"requests_per_connection below 0", http(&fanoutv1.HttpOptions{RequestsPerConnection: -1}), "plan.http.requests_per_connection", "-1", "0 to 1000000000"},
		{"requests_per_connection above the cap", http(&fanoutv1.HttpOptions{RequestsPerConnection: 1e9 + 1}), "plan.http.requests_per_connection", "1000000001", "0 to 1000000000"},
		{"requests_per_connection at the cap", http(&fanoutv1.HttpOptions{RequestsPerConnection: 1e9}), "", "", ""},
		{"allowed_targets", http(&fanoutv1.HttpOptions{AllowedTargets: slices.Repeat([]string{"*"}, 64)}), "", "", ""},
		{"too many allowed_targets", http(&fanoutv1.HttpOptions{AllowedTargets: make([]string, 65)}), "plan.http.allowed_targets", "65 rules", "cap of 64"},
		{"allowed_targets that are none", http(&fanoutv1.HttpOptions{AllowedTargets: []string{"*", "127.1"}}), "plan.http.allowed_targets[1]", `"127.1"`, "write the address in that form"},
		{"allowed_targets with a line's end", http(&fanoutv1.HttpOptions{AllowedTargets: []string{"a\n"}}), "plan.http.allowed_targets[0]", `"a\n"`, "neither"},
		{"engine", http(&fanoutv1.HttpOptions{Engine: fanoutv1.Engine_ENGINE_STD}), "", "", ""},
		{"unknown engine", http(&fanoutv1.HttpOptions{Engine: 3}), "plan.http.engine", "3 is none of Engine", "use ENGINE_HTTP1 or ENGINE_STD"},
		{"negative engine", http(&fanoutv1.HttpOptions{Engine: -1}), "plan.http.engine", "-1", "leave it out"},

		{"server_name", name("name.example"), "", "", ""},
		{"server_name is an address", name("::1"), "", "", ""},
		{"server_name with port", name("x:443"), serverName, `"x:443"`, "without port"},
		{"server_name with a space", name("a b"), serverName, `"a b"`, "host name"},
		{"server_name not in ASCII", name("bücher.example"), serverName, `"bücher.example"`, "ASCII form"},
		{"server_name not in UTF-8", name("\xff"), serverName, `"\xff"`, "host name"},

		{"ca_pem", ca(cert), "", "", ""},
		{"ca_pem among other things", ca("text\n" + key + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + cert), "", "", ""},
		{"ca_pem is a key", ca(key), caPEM, num(len(key)) + " bytes", "BEGIN CERTIFICATE"},
		{"ca_pem is text", ca("hello"), caPEM, "5 bytes", "BEGIN CERTIFICATE"},
		{"ca_pem with a broken certificate", ca("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), caPEM, "bytes", "BEGIN CERTIFICATE"},
		{"ca_pem is not UTF-8", ca("\xff\n" + cert), caPEM, num(len(cert)+2) + " bytes", "UTF-8"},
		{"ca_pem too long", ca(cert + strings.Repeat("\n", 1<<20)), caPEM, num(len(cert)+1<<20) + " bytes", "cap of 1048576"},

		{"identity", identity(cert, key), "", "", ""},
		{"identity with issuers", identity(cert+cert, "text\n"+key), "", "", ""},
		{"cert_pem without key_pem", identity(cert, ""), keyPEM, "without its key", "or neither"},
		{"key_pem without cert_pem", identity("", key), certPEM, "without its certificate", "or neither"},
		{"another's key_pem", identity(cert, otherKey), keyPEM, "not that of the first certificate", "belong together"},
		{"cert_pem is a key", identity(key, key), certPEM, num(len(key)) + " bytes", "BEGIN CERTIFICATE"},
		{"cert_pem is not UTF-8", identity(cert+"\xff", key), certPEM, num(len(cert)+1) + " bytes", "UTF-8"},
		{"cert_pem too long", identity(cert+strings.Repeat("\n", 1<<20), key), certPEM, "bytes", "cap of 1048576"},
		{"key_pem is text", identity(cert, "canary"), keyPEM, "6 bytes", "without a passphrase"},
		{"key_pem is a certificate", identity(cert, cert), keyPEM, num(len(cert)) + " bytes", "private key"},
		{"key_pem is not UTF-8", identity(cert, key+"\xff"), keyPEM, num(len(key)+1) + " bytes", "UTF-8"},
		{"key_pem too long", identity(cert, key+strings.Repeat("\n", 64<<10)), keyPEM, "bytes", "cap of 65536"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}

func TestOutcomeOptionViolations(t *testing.T) {
	t.Parallel()
	body := func(n int32) func(*fanoutv1.Plan) {
		return func(pb *fanoutv1.Plan) {
			pb.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: n}}
		}
	}
	headers := func(names ...string) func(*fanoutv1.Plan) {
		return func(pb *fanoutv1.Plan) { pb.Outcomes = &fanoutv1.OutcomeOptions{Headers: names} }
	}
	tallyOnly := func(o *fanoutv1.OutcomeOptions) func(*fanoutv1.Plan) {
		o.Detail = fanoutv1.Detail_DETAIL_TALLY_ONLY
		return func(pb *fanoutv1.Plan) { pb.Outcomes = o }
	}
	option := func(o *fanoutv1.OutcomeOptions) func(*fanoutv1.Plan) {
		return func(pb *fanoutv1.Plan) { pb.Outcomes = o }
	}
	hundred := strings.Fields(strings.Repeat("x ", 100))
	for _, tt := range []planCase{
		{"max_bytes below 0", body(-1), "plan.outcomes.body.max_bytes", "-1", "0 to 1048576"},
		{"max_bytes above the cap", body(1<<20 + 1), "plan.outcomes.body.max_bytes", "1048577", "the worker's cap of 1048576 (max_body_bytes);"},
		{"max_bytes at the cap", body(1 << 20), "", "", ""},
		{"a hundred headers", headers(hundred...), "", "", ""},
		{"too many headers", headers(append(hundred, "y")...), "plan.outcomes.headers", "101 names", "cap of 100"},
		{"empty header", headers("*", ""), "plan.outcomes.headers[1]", `""`, "header name"},
		{"header with a colon", headers("a:"), "plan.outcomes.headers[0]", `"a:"`, "header name"},
		{"tally only", tallyOnly(&fanoutv1.OutcomeOptions{SlowStream: fanoutv1.SlowStream_SLOW_STREAM_FOLD}), "", "", ""},
		{"tally only with a body", tallyOnly(&fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{}}), "plan.outcomes.body", "DETAIL_TALLY_ONLY", "leave out one"},
		{"tally only with headers", tallyOnly(&fanoutv1.OutcomeOptions{Headers: []string{"*"}}), "plan.outcomes.headers", "DETAIL_TALLY_ONLY", "leave out one"},
		{"unknown detail", option(&fanoutv1.OutcomeOptions{Detail: 3}), "plan.outcomes.detail", "3 is none of Detail", "use DETAIL_EVERY or DETAIL_TALLY_ONLY"},
		{"unknown slow_stream", option(&fanoutv1.OutcomeOptions{SlowStream: -1}), "plan.outcomes.slow_stream", "-1 is none of SlowStream", "use SLOW_STREAM_WAIT or SLOW_STREAM_FOLD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}

// A worker that takes less than the default returns as much as it takes.
func TestDefaultBodyBytesAreWithinTheCap(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	caps.BodyBytes = 1000
	pb := minimalPlan()
	pb.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{}}
	if p, violations := ParsePlan(pb, caps); violations != nil || p.Outcomes.BodyBytes != 1000 {
		t.Errorf("ParsePlan = %+v, %q, want 1000 bytes of body", p, violations)
	}
}
