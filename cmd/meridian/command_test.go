package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
)

func TestFlagsMayComeAnywhere(t *testing.T) {
	tests := []struct {
		args []string
		from string
		rest []string
	}{
		{args: []string{"GET", "/"}, rest: []string{"GET", "/"}},
		{args: []string{"--from", "Sydney", "GET", "/"}, from: "Sydney", rest: []string{"GET", "/"}},
		{args: []string{"GET", "--from=Sydney", "/"}, from: "Sydney", rest: []string{"GET", "/"}},
		{args: []string{"GET", "/", "--from", "Sydney"}, from: "Sydney", rest: []string{"GET", "/"}},
		{args: []string{"GET", "--", "--from", "x"}, rest: []string{"GET", "--from", "x"}},
		{args: []string{"--from", "New York", "--", "-"}, from: "New York", rest: []string{"-"}},
	}
	for _, test := range tests {
		flags := newFlagSet("test")
		from := flags.String("from", "", "")
		rest, err := flags.parse(test.args)
		if err != nil || *from != test.from || !cmp.Equal(rest, test.rest) {
			t.Errorf("%q: got --from %q, rest %q, error %v; want %q, %q", test.args, *from, rest, err, test.from, test.rest)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	a := &app{}
	for _, c := range commands() {
		if c.summary == "" || c.about == "" || len(c.examples) == 0 {
			t.Errorf("%s lacks a summary, a text or an example", c.name)
		}
		if len(c.summary) > 66 {
			t.Errorf("%s: the summary has %d letters; 66 fit beside its name", c.name, len(c.summary))
		}
		var help bytes.Buffer
		a.printCommandHelp(&help, c)
		for line := range strings.Lines(help.String()) {
			if len(line) > 110 {
				t.Errorf("%s: a line of its help is %d letters long: %s", c.name, len(line), line)
			}
		}
	}
}

func TestNewsTellsEachEventOnce(t *testing.T) {
	at := time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)
	event := func(s int, text string) client.Event {
		return client.Event{At: at.Add(time.Duration(s) * time.Second), Text: text}
	}
	texts := func(events []client.Event) (texts []string) {
		for _, e := range events {
			texts = append(texts, e.Text)
		}
		return texts
	}
	var n news
	steps := []struct {
		events []client.Event
		want   []string
	}{
		{events: []client.Event{event(0, "a"), event(1, "b")}, want: []string{"a", "b"}},
		{events: []client.Event{event(0, "a"), event(1, "b")}},
		{events: []client.Event{event(1, "b"), event(1, "c"), event(2, "d")}, want: []string{"c", "d"}},
		// Another region answers: it told the same things a little earlier.
		{events: []client.Event{event(0, "a'"), event(1, "b'"), event(3, "e")}, want: []string{"e"}},
	}
	for i, step := range steps {
		got := texts(n.next(client.Status{Events: step.events}))
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestColoursOnlyWhereWanted(t *testing.T) {
	a := &app{getenv: func(string) string { return "" }}
	if a.styleOf(&bytes.Buffer{}).colour {
		t.Error("a buffer is no terminal, but it gets colours")
	}
	if got := (style{colour: true}).red("x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("red: got %q", got)
	}
	var out bytes.Buffer
	s := style{colour: true}
	table := &table{style: s}
	table.row("A", "B")
	table.row(s.green("healthy"), "x")
	table.row("no", "y")
	table.write(&out)
	want := "\x1b[2mA\x1b[0m        \x1b[2mB\x1b[0m\n\x1b[32mhealthy\x1b[0m  x\nno       y\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestQuoteMakesOneShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "plain-1.2/x": "plain-1.2/x", "two words": "'two words'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "?a=b&c": "'?a=b&c'", "~": "'~'",
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestSecondsReadWell(t *testing.T) {
	for s, want := range map[float64]string{0: "0 ms", 0.012: "12 ms", 0.131: "0.1 s", 3.24: "3.2 s", 42: "42 s", 600: "10 min", 86400: "24 h", 31e6: "359 days"} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%v) = %s, want %s", s, got, want)
		}
	}
}

func TestWorldNameOfAFolder(t *testing.T) {
	for folder, want := range map[string]string{"notes": "notes", "My Notes": "my-notes", "2026": "world-2026", "": "world", "---": "world", "déjà": "d-j"} {
		if got := worldName(folder); got != want {
			t.Errorf("worldName(%q) = %q, want %q", folder, got, want)
		}
	}
}
