package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// minimalPlan is the least plan there is.
func minimalPlan() *fanoutv1.Plan {
	return &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: "http://target.example/"}}}
}

// planCase is a change to the minimal plan and the one violation that it causes; with field "" it causes none.
type planCase struct {
	name   string
	change func(*fanoutv1.Plan)
	field  string
	value  string // in the description
	words  string // in the description
}

func (tt *planCase) run(t *testing.T, caps plan.Caps) {
	t.Helper()
	pb := minimalPlan()
	tt.change(pb)
	p, got := ParsePlan(pb, caps)
	if tt.field == "" {
		if p == nil || got != nil {
			t.Fatalf("ParsePlan(%s) = %v, %q, want a plan", show80(pb), p, got)
		}
		return
	}
	if p != nil {
		t.Errorf("ParsePlan(%s) made a plan of it", show80(pb))
	}
	wantViolations(t, got, Violation{tt.field, tt.value}, Violation{tt.field, tt.words})
}

// wantViolations checks that got is one violation, on the field of each of want, with its description in its own.
func wantViolations(t *testing.T, got []Violation, want ...Violation) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("got %d violations %q, want one on %s", len(got), got, want[0].Field)
	}
	for _, w := range want {
		if got[0].Field != w.Field || !strings.Contains(got[0].Description, w.Description) {
			t.Errorf("got %q, want field %q and %q in the description", got[0], w.Field, w.Description)
		}
	}
	checkReadable(t, got)
}

// checkReadable checks what holds for all violations.
func checkReadable(t testing.TB, all []Violation) {
	t.Helper()
	for _, v := range all {
		for _, s := range []string{v.Field, v.Description} {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q does not print", s)
			}
		}
		if v.Field == "" || v.Description == "" || len(v.Description) > 800 {
			t.Errorf("%q: field or description is empty or too long", v)
		}
	}
}

func show80(pb proto.Message) string {
	b, _ := proto.Marshal(pb)
	return quote(string(b))
}

// certificate is a self-signed certificate, and its key, as PEM.
var certificate = sync.OnceValues(newCertificate)

func newCertificate() (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}
