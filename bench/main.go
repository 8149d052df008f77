package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	rounds int
	// dir is scratch; cache holds what later runs need again.
	dir, cache string
	began      time.Time
}

// sections in the order of RESULTS.md.
var sections = []struct {
	name string
	run  func(context.Context, *bench) (section, error)
	// long, if not empty, is the title of a section that runs only when it is
	// named; what it wrote stays when others are measured.
	long string
}{
	{name: "start", run: measureStart},
	{name: "replication", run: measureReplication},
	{name: "function", run: measureFunction},
	{name: "tables", run: measureTables},
	{name: "million", run: measureMillion},
	{name: "catchup", run: measureCatchUp},
	{name: "shipping", run: measureShipping},
	{name: "copy", run: measureCopy},
	{name: "store", run: measureStore},
	{name: "torture", run: measureTorture, long: titleTorture},
	{name: "soak", run: measureSoak, long: titleSoak},
}

func main() {
	if address := os.Getenv(bareEnv); address != "" {
		fmt.Fprintln(os.Stderr, serveBare(address))
		os.Exit(1)
	}
	rounds := flag.Int("rounds", 3, "how many `rounds` everything is measured")
	only := flag.String("only", "", "measure one `section` and print it, without writing the results")
	write := flag.Bool("write", false, "with -only: put the section into the results, beside what stands there")
	out := flag.String("out", "bench/RESULTS.md", "the `file` to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *only, *out, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, only, out string, write bool) error {
	dir, err := os.MkdirTemp("", "meridian-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cache, err := filepath.Abs(".cache/bench")
	if err != nil {
		return err
	}
	b := &bench{rounds: rounds, dir: dir, cache: cache, began: time.Now()}
	before := describeMachine()
	var text strings.Builder
	var others []string // titles of what is not measured and stays
	known := false
	for _, s := range sections {
		if only != s.name && (only != "" || s.long != "") {
			others = append(others, s.long)
			continue
		}
		known = true
		b.say("%s", s.name)
		measured, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		text.WriteString(measured.markdown())
	}
	if !known {
		return fmt.Errorf("there is no section %q", only)
	}
	results := header(before, describeMachine(), rounds, time.Since(b.began)) + text.String() + kept(out, others)
	if only != "" {
		fmt.Println(text.String())
		if !write {
			return nil
		}
		if results, err = joined(out, text.String()); err != nil {
			return err
		}
	}
	b.say("wrote %s", out)
	return os.WriteFile(out, []byte(results), 0o644)
}

// say shows progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// scratch makes an empty directory.
func (b *bench) scratch(name string) (string, error) {
	return os.MkdirTemp(b.dir, name)
}
