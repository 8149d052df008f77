package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/spec"
)

// A session with a world of three processes: every command finds it by the
// context file that init wrote, from the directory where its user is.
func TestI2_F4_ServedWorldByItsCommands(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3})

	if out := w.must("validate"); !strings.Contains(out, "world notes is valid") {
		t.Errorf("validate says %q", out)
	}
	out := w.must("request", "POST", "/data", "--body", `{"name":"by command"}`, "--from", "New York")
	var created struct{ RequestID string }
	if err := json.Unmarshal([]byte(out[strings.LastIndex(out, "{"):]), &created); err != nil || !strings.Contains(out, "200 OK from us-east-1") {
		t.Fatalf("request says %q", out)
	}
	w.awaitNotes([]string{created.RequestID}, "ap-southeast-2")
	out = w.must("request", "GET", "/data/"+created.RequestID, "--from", "Sydney")
	if !strings.Contains(out, "200 OK from ap-southeast-2") || !strings.Contains(out, "by command") {
		t.Errorf("request says %q", out)
	}
	if out := w.must("lookup", "api.notes.test", "--from", "Dublin"); !strings.Contains(out, "eu-west-1 is the nearest of 3 healthy regions") {
		t.Errorf("lookup says %q", out)
	}
	if out := w.must("env", "eu-west-1"); !strings.Contains(out, "AWS_ENDPOINT_URL_DYNAMODB=http://"+w.region("eu-west-1").Addresses.Tables) {
		t.Errorf("env says %q", out)
	}
	if out := w.must("status"); !strings.Contains(out, "serving") || !strings.Contains(out, "spec 1 (meridian.yaml)") {
		t.Errorf("status says %q", out)
	}

	w.must("drain", "us-east-1")
	w.awaitAnswered("eu-west-1", "ap-southeast-2")
	if out := w.must("lookup", "api.notes.test", "--from", "New York"); !strings.Contains(out, "drained until it is undrained") {
		t.Errorf("lookup says %q", out)
	}
	w.must("undrain", "us-east-1")
	w.awaitAnswered(w.spec.RegionNames()...)

	if out, err := w.meridian("region", "stop", "us-east-1"); err == nil {
		t.Errorf("region stop is for dev, yet says %q", out)
	}
	w.checkLogs(t)
}

// checkLogs looks at all that the nodes have printed, and at what status shows:
// JSON, one event a line, and no secret.
func (w *served) checkLogs(t *testing.T) {
	t.Helper()
	secrets := w.secrets(t)
	status, err := json.Marshal(w.must("status", "--json"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"status": string(status)}
	for name, p := range w.nodes {
		texts["the log of "+name] = p.log()
		for line := range strings.Lines(p.log()) {
			var entry struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Msg == "" {
				t.Errorf("%s logged what is not JSON: %q (%v)", name, line, err)
			}
		}
	}
	for where, text := range texts {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", where, what)
			}
		}
	}
}

// secrets are what nobody may see: tokens, keys, and the keys of functions that
// are passed by their environment.
func (w *served) secrets(t *testing.T) map[string]string {
	t.Helper()
	secrets := map[string]string{}
	for _, name := range w.names() {
		b, err := certificate.OpenBundle(w.path("bundles", name))
		if err != nil {
			t.Fatal(err)
		}
		secrets["the admin token"] = b.Token
		keys, err := access.ReadFile(b.KeysPath())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			secrets["the secret of key "+k.ID] = k.Secret
		}
		key, err := os.ReadFile(w.path("bundles", name, "node.key"))
		if err != nil {
			t.Fatal(err)
		}
		secrets["the private key of "+name] = strings.Split(string(key), "\n")[1]
	}
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	find := regexp.MustCompile(`AWS_SECRET_ACCESS_KEY=([^\x00]+)`)
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err != nil || !w.anyTables(string(text)) {
			continue
		}
		if m := find.FindSubmatch(text); m != nil {
			secrets["the secret of the function in "+path] = string(m[1])
			functions++
		}
	}
	if runtime.GOOS == "linux" && functions == 0 {
		t.Error("no function runs: whether its secret is shown is not known")
	}
	return secrets
}

// anyTables reports whether text names the tables of one of the world's regions.
func (w *served) anyTables(text string) bool {
	return slices.ContainsFunc(w.spec.Regions, func(r spec.Region) bool {
		return strings.Contains(text, "http://"+r.Addresses.Tables)
	})
}

// The applied spec is what counts. Another file is reported and never used,
// until it is applied.
func TestI3_AnotherSpecFileIsReportedAndNotUsed(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 1, Rest: idle})
	name := w.spec.Regions[0].Name
	text := string(w.spec.Source) + "  more: {key: id}\n"
	w.write("other.yaml", text)
	w.kill()

	w.nodes[name] = startProcess(t, w.dir, name, "serve", "--bundle", w.path("bundles", name), "--data", w.path("data"), "--spec", w.path("other.yaml"))
	w.awaitAnswered(name)
	w.nodes[name].awaitLog(40*time.Second, "the spec file differs from the applied spec")
	status := w.must("status")
	if !strings.Contains(status, "other.yaml, which is not the applied spec; `meridian apply") || strings.Contains(status, "more") {
		t.Errorf("status says %s", status)
	}
	if out := w.must("apply", "other.yaml"); !strings.Contains(out, "table more added") {
		t.Errorf("apply says %q", out)
	}
	status = w.must("status")
	if strings.Contains(status, "not the applied spec") || !strings.Contains(status, "spec 2 (other.yaml)") {
		t.Errorf("status says %s", status)
	}
	w.awaitTableKey(name, "more", "id")
	if out, err := w.meridian("apply", "meridian.yaml", "--if-revision", "1"); err == nil || !strings.Contains(out, "it is at 2, not at 1") {
		t.Errorf("apply says %q", out)
	}

	// The file that it was made with is now the one that differs.
	w.kill()
	w.start(name)
	w.awaitAnswered(name)
	if status := w.must("status"); !strings.Contains(status, "meridian.yaml, which is not the applied spec") {
		t.Errorf("status says %s", status)
	}
	w.awaitTableKey(name, "more", "id")
}

// Machines do not start at one moment. Whoever is first waits, and says for
// whom.
func TestNodesStartMinutesApart(t *testing.T) {
	t.Parallel()
	w := prepare(t, worldPlan{Regions: 3})
	all := w.spec.RegionNames()
	w.start(all[0])
	first := w.nodes[all[0]]
	eventually(t, 40*time.Second, "the first says for whom it waits, again and again", func() bool {
		return strings.Count(first.log(), `"missing":["ap-southeast-2","eu-west-1"]`) >= 2
	})
	out := w.must("status")
	for _, want := range []string{"us-east-1 is not ready: control: no answer from ap-southeast-2, eu-west-1", "no quorum yet"} {
		if !strings.Contains(out, want) {
			t.Errorf("status says nothing of %q:\n%s", want, out)
		}
	}
	if out, err := w.meridian("drain", all[0]); err == nil || !strings.Contains(out, "starting") {
		t.Errorf("drain in a world that is not there yet says %q", out)
	}
	// It has nothing to leave yet.
	first.signal(syscall.SIGTERM)
	if code := first.await(leaveMax); code != 0 {
		t.Errorf("%s ended with exit code %d", first.name, code)
	}
	w.start(all[0], all[1])
	// Two of three are enough to agree and to serve.
	w.awaitAnswered(all[0], all[1])
	w.start(all[2])
	w.awaitAnswered(all...)
}

// A renewed certificate is used from the next handshake on; a node with a
// certificate of somebody else is refused, and that is told once.
func TestRenewedAndWrongCertificates(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3, Rest: idle})
	all := w.spec.RegionNames()
	authority, err := certificate.OpenAuthority(w.path("bundles"))
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Renew(w.path("bundles", all[0]), time.Now(), 40*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "the new certificate is in use", func() bool {
		s, ok := w.status(all[0])
		days := s.Regions[0].CertificateDays
		return ok && days != nil && *days > 39 && *days < 41
	})
	// A peer that comes back sees the new one, and is let in.
	w.kill(all[1])
	w.start(all[1])
	w.awaitAnswered(all...)

	// The third comes back with the certificate of another authority.
	stranger := w.path("stranger")
	w.must("init", "--out", stranger)
	w.kill(all[2])
	w.nodes[all[2]] = startProcess(t, w.dir, all[2], "serve", "--bundle", filepath.Join(stranger, all[2]), "--data", w.path("data"))
	refused := func(name string) int { return strings.Count(w.nodes[name].log(), "was refused") }
	eventually(t, 40*time.Second, "it is refused", func() bool { return refused(all[0]) > 0 })
	before := w.refusedCount(all[0])
	eventually(t, 40*time.Second, "it has been refused five times more", func() bool { return w.refusedCount(all[0]) >= before+5 })
	if n := refused(all[0]); n > 2 {
		t.Errorf("%s told %d times that it refuses %s", all[0], n, all[2])
	}
	// With its own it is back.
	w.kill(all[2])
	w.start(all[2])
	w.awaitAnswered(all...)
}
