package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// docs/failover.md is a walk, and this test types it: every line of its blocks
// `console walk`, from top to bottom, in one shell beside a real `meridian dev`.
// All that a command prints must be what the page shows, times, ids and "…"
// aside. In blocks that say `repeat` a command is typed again until it is.
func TestD1_D4_D7_R5_FailoverWalk(t *testing.T) {
	t.Parallel()
	d := startFailover(t)
	w := startWalker(t, d)
	for _, section := range strings.Split(onePage(t, "docs/failover.md").text, "\n## ") {
		if strings.Contains(section, "aws ") && !hasAWS() {
			continue // its commands depend on each other
		}
		for _, at := range fence.FindAllStringSubmatch(section, -1) {
			if info := strings.Fields(at[1]); len(info) > 1 && info[1] == "walk" {
				w.play(at[2], len(info) > 2)
			}
		}
	}
	if w.typed < 20 {
		t.Errorf("the page has only %d commands to type", w.typed)
	}
}

// startFailover starts the world of examples/failover, in a folder that looks
// like the repository's root to whoever types there.
func startFailover(t *testing.T) *demo {
	t.Helper()
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{t: t, folder: t.TempDir()}
	examples := filepath.Join(d.folder, "examples")
	if err := os.CopyFS(filepath.Join(examples, "failover"), os.DirFS(filepath.Join(root, "examples", "failover"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(examples, "notes"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(built, "bundle"), filepath.Join(examples, "notes", "bundle")); err != nil {
		t.Fatal(err)
	}
	d.start("--spec", "examples/failover/meridian.yaml")
	return d
}

// walker is one shell for the whole walk: what a line sets the next ones use.
type walker struct {
	t     *testing.T
	in    io.Writer
	out   *bufio.Reader
	typed int
}

func startWalker(t *testing.T, d *demo) *walker {
	t.Helper()
	shell := exec.Command("sh")
	shell.Dir = d.folder
	shell.Env = append(os.Environ(), "PATH="+d.binaries()+":"+os.Getenv("PATH"))
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = shell.Wait() // its status is the last command's
	})
	return &walker{t: t, in: in, out: bufio.NewReader(out)}
}

// repeatFor bounds how long a command is typed again.
const repeatFor = 40 * time.Second

// play types a block's commands.
func (w *walker) play(text string, repeat bool) {
	w.t.Helper()
	for _, step := range strings.Split("\n"+strings.TrimSuffix(text, "\n"), "\n$ ")[1:] {
		line, want, _ := strings.Cut(step, "\n")
		begin := time.Now()
		deadline := begin.Add(repeatFor)
		for {
			got, status := w.enter(line)
			if want == "" && status == "0" || want != "" && shows(want, got) {
				break
			}
			if !repeat || time.Now().After(deadline) {
				w.t.Fatalf("$ %s\ndid not print\n%s\nbut, with status %s,\n%s", line, want, status, got)
			}
		}
		w.typed++
		w.t.Logf("%.1f s: %s", time.Since(begin).Seconds(), line)
	}
}

// enter types one line and returns what came, and the exit status.
func (w *walker) enter(line string) (out, status string) {
	w.t.Helper()
	const end = "--- end of a command, with status "
	fmt.Fprintf(w.in, "{ %s\n} </dev/null 2>&1\necho; echo \"%s$?\"\n", line, end)
	var text strings.Builder
	for {
		l, err := w.out.ReadString('\n')
		if err != nil {
			w.t.Fatalf("$ %s\nthe shell ended: %v\n%s", line, err, &text)
		}
		if status, is := strings.CutPrefix(l, end); is {
			return strings.TrimRight(text.String(), "\n"), strings.TrimSpace(status)
		}
		text.WriteString(l)
	}
}

// varying are what differs from one walk to the next: ids, times, how long
// something took, epochs that a promotion which was tried twice passes.
var varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}` +
	`|[0-9a-f]{16}-[0-9a-f]{8}` +
	`|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?` +
	`|[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?` +
	`|\b[0-9]+(\.[0-9]+)? (ms|s|min)\b` +
	`|\b(epoch|revision) [0-9]+`)

// shows reports whether a command printed what the page shows: the same lines,
// where "…" is any part of a line, and alone on one any lines at all.
func shows(want, got string) bool {
	mask := func(s string) string { return varying.ReplaceAllString(s, "#") }
	var pattern strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(want, "\n"), "\n") {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(mask(line)), "…", ".*") + `\n`)
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(mask(got) + "\n")
}
