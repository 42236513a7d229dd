//go:build unix

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
	"github.com/fanout-load/fanout/services/target"
)

// canaries are secrets, by where a plan has them, each of which nobody else writes.
type canaries struct {
	t        *testing.T
	secrets  map[string]string
	variable string // the environment variable that has one
	file     string // the file that has one
	cert     string // files with a client's certificate and key
	key      string
}

func newCanaries(t *testing.T) *canaries {
	t.Helper()
	c := &canaries{t: t, secrets: map[string]string{}, variable: "FANOUT_TEST_CANARY"}
	for _, place := range []string{"header", "key header", "cookie", "body", "user", "password", "query", "fragment", "environment", "file"} {
		c.secrets[place] = "canary" + strings.ToLower(rand.Text())
	}
	t.Setenv(c.variable, c.secrets["environment"])
	directory := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c.file = write("token", c.secrets["file"]+"\n")
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := certificates.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	c.cert, c.key = write("cert.pem", string(cert)), write("key.pem", string(key))
	c.secrets["client's key"] = strings.Split(string(key), "\n")[2]
	return c
}

// forms are the ways in which a secret may be written.
func (c *canaries) forms(place string) []string {
	secret := c.secrets[place]
	forms := []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for shift := range 3 { // within something that is encoded
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", shift) + secret))
		forms = append(forms, encoded[4:len(encoded)-4])
	}
	return forms
}

// wantNone checks that nothing of the secrets is in a text.
func (c *canaries) wantNone(what, text string) {
	c.t.Helper()
	for place := range c.secrets {
		for _, form := range c.forms(place) {
			if i := strings.Index(text, form); i >= 0 {
				c.t.Errorf("%s has the secret of the %s: …%q…", what, place, text[max(i-60, 0):min(i+len(form)+20, len(text))])
				break
			}
		}
	}
}

// url is a URL that has its secrets.
func (c *canaries) url(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	separator := "?"
	if strings.Contains(rest, "?") {
		separator = "&"
	}
	return scheme + "://" + c.secrets["user"] + ":" + c.secrets["password"] + "@" + rest + separator + "token=" + c.secrets["query"] + "#" + c.secrets["fragment"]
}

// args are the flags of a run or a call with all secrets but those of the URL. The Authorization header is the userinfo's.
func (c *canaries) args() []string {
	return []string{
		"-m", "POST", "-H", "X-Session: " + c.secrets["header"], "-H", "X-Api-Key: " + c.secrets["key header"] + "${env:" + c.variable + "}", "-H", "Cookie: a=" + c.secrets["cookie"],
		"-d", c.secrets["body"] + "${file:" + c.file + "}", "--cert", c.cert, "--key", c.key, "-t", "500ms", "--max-redirects", "3",
	}
}

// inFiles is the content of all files beneath directories.
func inFiles(t *testing.T, directories ...string) string {
	t.Helper()
	var all bytes.Buffer
	for _, directory := range directories {
		err := filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			all.WriteString(path + "\n")
			all.Write(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// Nothing that a caller gives away with a plan, and nothing that a worker sends for it, is in a log, a report, a view, an error, a
// metric, the store or a crash mark, whatever becomes of the requests; while the run goes on the store has the plan, and only the store.
func TestCanaries(t *testing.T) {
	c := newCanaries(t)
	var (
		mu  sync.Mutex
		got = map[string]bool{} // what the target has seen
	)
	see := func(seen target.Seen) string {
		mu.Lock()
		defer mu.Unlock()
		all := seen.Path + string(seen.Body) + strings.Join(slices.Concat(seen.Header["X-Session"], seen.Header["X-Api-Key"], seen.Header["Cookie"]), "")
		credentials, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(seen.Header.Get("Authorization"), "Basic "))
		for place, secret := range c.secrets {
			if strings.Contains(all+string(credentials), secret) {
				got[place] = true
			}
		}
		return seen.Path
	}
	o, err := target.StartOracle(target.OracleConfig{OnRequest: see})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	secure, err := target.StartOracle(target.OracleConfig{TLS: certificates.Config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = secure.Close() })

	home := t.TempDir()
	state, kept, own := filepath.Join(home, "state"), filepath.Join(home, "kept"), filepath.Join(home, "own")
	workerFigures, coordinatorFigures := fixedAddress(t), fixedAddress(t)
	worker := newProcess(t, fixedAddress(t), "worker", "--state-dir", state, "--allow-secret-env", c.variable, "--allow-secret-file", c.file, "--metrics-listen", workerFigures)
	worker.start(t)
	coordinator := newProcess(t, fixedAddress(t), "coordinator", "--workers", worker.address, "--store", filepath.Join(kept, "runs.db"), "--metrics-listen", coordinatorFigures)
	coordinator.start(t)
	logs := func() string { return worker.log.String() + coordinator.log.String() }

	urls := []string{
		o.URL() + "/ok", o.URL() + "/status/500", o.URL() + "/eof", o.URL() + "/reset-in-body", o.URL() + "/garbage", o.URL() + "/huge-head",
		o.URL() + "/bad-chunk", o.URL() + "/stall", o.URL() + "/stall-in-body", o.URL() + "/redirect-loop", o.URL() + "/redirect-metadata",
		o.URL() + "/redirect-to?status=307&url=" + secure.URL() + "/ok", o.URL() + "/hostile/escape",
		"http://127.0.0.1:1/refused", "http://nothing.invalid/dns", "http://169.254.169.254/policy", secure.URL() + "/verify",
		strings.Replace(o.URL(), "http", "https", 1) + "/not-tls",
	}
	var ids []string
	var all sync.WaitGroup
	atOnce := make(chan struct{}, 4)
	for i, url := range urls {
		where := [][]string{{"--coordinator", coordinator.address}}
		if i%3 == 0 {
			where = append(where, []string{"--store", filepath.Join(own, strconv.Itoa(i)+".db")})
		}
		for _, w := range where {
			all.Go(func() {
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				r := fanout(t, slices.Concat([]string{"run", "-n", "2", "-o", []string{"json", "text"}[i%2]}, w, c.args(), []string{c.url(url)})...)
				if r.stdout == "" || r.code == 1 || r.code == 2 {
					t.Errorf("fanout run %s %s = exit %d, %s%s, want a report", url, w[0], r.code, r.stdout, r.stderr)
				}
				c.wantNone("the report of "+url+" "+w[0], r.stdout+r.stderr)
			})
		}
	}
	all.Wait()
	call := fanout(t, slices.Concat([]string{"call", "--worker", worker.address}, c.args(), []string{c.url(urls[0]), c.url(urls[2]), c.url(urls[9])})...)
	if call.code != 0 {
		t.Errorf("fanout call = exit %d, %s%s, want 0", call.code, call.stdout, call.stderr)
	}
	c.wantNone("what fanout call prints", call.stdout+call.stderr)
	c.wantNone("the store in the caller's process", inFiles(t, own))

	// A run that goes on is kept as it is, and shown without its secrets.
	conn, err := grpc.NewClient(coordinator.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := fanoutv1.NewCoordinatorServiceClient(conn)
	long := c.begin(t, coordinator.address, o.URL()+"/delay/5ms")
	var going *fanoutv1.Run
	eventually(t, 20*time.Second, "the run goes on", func() bool {
		list, err := client.ListRuns(t.Context(), &fanoutv1.ListRunsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		c.wantNone("ListRuns", said(list))
		if ids = ids[:0]; len(list.GetRuns()) > 0 {
			going = list.GetRuns()[0]
		}
		for _, r := range list.GetRuns() {
			ids = append(ids, r.GetId())
		}
		return going.GetState() == fanoutv1.State_STATE_RUNNING
	})
	if all := inFiles(t, kept); !strings.Contains(all, c.secrets["header"]) {
		t.Error("the store of a run that goes on does not have its plan: this test would find nothing later")
	}
	for _, view := range []fanoutv1.RunView{fanoutv1.RunView_RUN_VIEW_BASIC, fanoutv1.RunView_RUN_VIEW_FULL} {
		found, err := client.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: going.GetId(), View: view})
		if err != nil {
			t.Fatal(err)
		}
		c.wantNone("GetRun", said(found))
		if !strings.Contains(said(found), "${env:"+c.variable+"}") {
			t.Errorf("GetRun shows no reference: %s", said(found))
		}
		stream, err := client.WatchRun(t.Context(), &fanoutv1.WatchRunRequest{RunId: going.GetId(), View: view})
		if err != nil {
			t.Fatal(err)
		}
		watched, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		c.wantNone("WatchRun", said(watched))
	}
	// It goes on with its secrets after its coordinator was killed, and is rid of them at its end.
	coordinator.mustKill(t)
	coordinator.start(t)
	select {
	case <-long.ended:
	case <-time.After(60 * time.Second):
		t.Fatal("the run did not end")
	}
	c.wantNone("the report of a run whose coordinator was killed", long.stdout.String()+long.stderr.String())
	c.wantNone("the store when all runs have ended", inFiles(t, kept))

	for _, args := range [][]string{{"list"}, {"show", ids[0]}, {"show", ids[len(ids)-1]}, {"verify", ids[0]}} {
		for _, output := range []string{"text", "json"} {
			r := fanout(t, slices.Concat([]string{"runs"}, args, []string{"--coordinator", coordinator.address, "-o", output})...)
			if r.code != 0 {
				t.Errorf("fanout runs %s = exit %d, %s", args, r.code, r.stderr)
			}
			c.wantNone("fanout runs "+args[0], r.stdout+r.stderr)
		}
	}
	c.refusals(worker.address, client)

	for place := range c.secrets {
		if !got[place] && place != "fragment" && place != "client's key" { // these are not sent
			t.Errorf("the target has not seen the secret of the %s: this test would find nothing", place)
		}
	}
	for _, address := range []string{workerFigures, coordinatorFigures} {
		c.wantNone("the metrics", fmt.Sprint(metricstest.Scrape(t, address)))
	}
	coordinator.signal(os.Interrupt)
	coordinator.exit(t, 30*time.Second)
	worker.signal(os.Interrupt)
	worker.exit(t, 30*time.Second)
	c.wantNone("a log", logs())
	c.wantNone("what is left in the directories", inFiles(t, home))
	for _, id := range ids[:1] {
		r := fanout(t, "runs", "show", "--store", filepath.Join(kept, "runs.db"), "-o", "json", id)
		if r.code != 0 {
			t.Errorf("runs show --store = exit %d, %s", r.code, r.stderr)
		}
		c.wantNone("runs show --store", r.stdout+r.stderr)
	}
}

// begin begins a run of a few seconds.
func (c *canaries) begin(t *testing.T, coordinator, url string) *running {
	t.Helper()
	k := &cluster{coordinator: &process{address: coordinator}}
	return k.begin(t, slices.Concat([]string{"-c", "2", "-z", "3s"}, c.args(), []string{c.url(url)})...)
}

// said is a message in every form in which it may be seen.
func said(m proto.Message) string {
	encoded, _ := proto.Marshal(m)
	return protojson.Format(m) + prototext.Format(m) + string(encoded)
}

// refusals are requests with all that may be wrong with them, each of which is refused without what is wrong.
func (c *canaries) refusals(worker string, coordinator fanoutv1.CoordinatorServiceClient) {
	t := c.t
	t.Helper()
	key, err := os.ReadFile(c.key)
	if err != nil {
		t.Fatal(err)
	}
	w := workerClient(t, worker)
	ok := func() *fanoutv1.Request { return &fanoutv1.Request{Url: "http://127.0.0.1:1/"} }
	header := func(name, value string) func(*fanoutv1.Plan) {
		return func(p *fanoutv1.Plan) { p.Requests[0].Headers = []*fanoutv1.Header{{Name: name, Value: value}} }
	}
	url := func(url string) func(*fanoutv1.Plan) { return func(p *fanoutv1.Plan) { p.Requests[0].Url = url } }
	secret := c.secrets
	for i, change := range []func(*fanoutv1.Plan){
		header("Authorization", secret["header"]+"\r\nX: 1"), header("X-Custom", secret["header"]+"\x00"), header("X-Custom: "+secret["header"], ""),
		header("Content-Length", secret["header"]), header("X", strings.Repeat(secret["header"], 5000)),
		url("http://" + secret["user"] + ":" + secret["password"] + "@h:0/"), url("http://u:a/" + secret["password"] + "@h/"), url("ftp://h/?" + secret["query"]),
		url(secret["user"] + "@h"), url("http://h:x/#" + secret["fragment"]), url("http://h/?" + strings.Repeat(secret["query"], 5000)),
		func(p *fanoutv1.Plan) {
			p.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: strings.Repeat(secret["body"], 50_000)}}
		},
		func(p *fanoutv1.Plan) {
			p.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: secret["body"]}, Truncated: true}
		},
		func(p *fanoutv1.Plan) {
			p.Http = &fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{CertPem: string(key)}}
		},
		func(p *fanoutv1.Plan) { p.Http = &fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{KeyPem: string(key)}} },
		func(p *fanoutv1.Plan) { p.Http = &fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{CaPem: string(key)}} },
		header("X", "${env:HOME}"+secret["header"]), header("X", secret["header"]+"${file:/etc/passwd}"),
		header("X", "${env:"+c.variable+"}${env:NOT_ALLOWED}"), header("Host", "${env:"+c.variable+"}"),
		header("X", strings.Repeat("${env:"+c.variable+"}", 2500)),
	} {
		plan := &fanoutv1.Plan{Requests: []*fanoutv1.Request{ok()}}
		change(plan)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		stream, err := w.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: plan})
		if err == nil {
			_, err = stream.Recv()
		}
		if err == nil {
			t.Errorf("refusal %d: the worker took it", i)
		}
		c.wantNone("a worker's refusal", err.Error()+said(status.Convert(err).Proto()))
		response, err := coordinator.CreateRun(ctx, &fanoutv1.CreateRunRequest{Plan: plan})
		if err != nil {
			c.wantNone("a coordinator's refusal", err.Error()+said(status.Convert(err).Proto()))
		} else {
			c.wantNone("CreateRun", said(response)) // the worker refuses it
			found, err := coordinator.GetRun(ctx, &fanoutv1.GetRunRequest{RunId: response.GetRun().GetId(), View: fanoutv1.RunView_RUN_VIEW_FULL})
			for err == nil && found.GetRun().GetState() != fanoutv1.State_STATE_ENDED {
				found, err = coordinator.GetRun(ctx, &fanoutv1.GetRunRequest{RunId: response.GetRun().GetId(), View: fanoutv1.RunView_RUN_VIEW_FULL})
			}
			if err != nil || found.GetRun().GetVerdict() != fanoutv1.Verdict_VERDICT_FAILED {
				t.Errorf("refusal %d: the run is %v, %v, want FAILED", i, found, err)
			}
			c.wantNone("a run that a worker refused", said(found))
		}
		cancel()
	}
}
