// Command run asks the server, package model and dynalite the same random
// requests and says where they differ.
//
//	go run ./internal/dynamo/differ/run -requests 50000
//	go run ./internal/dynamo/differ/run -seed 7 -length 200
//	go run ./internal/dynamo/differ/run -history FILE     ("-" is the standard input)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/differ"
)

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 50000, "how many requests to ask")
	flag.IntVar(&o.length, "length", 200, "requests of a history, each of which has tables of its own")
	flag.Uint64Var(&o.from, "from", 1, "the first seed")
	flag.Uint64Var(&o.seed, "seed", 0, "play one seed only")
	flag.StringVar(&o.history, "history", "", "play a file of JSON lines only; - is the standard input")
	flag.StringVar(&o.dynalite, "dynalite", "", "ask dynalite too: the directory of its node_modules")
	flag.IntVar(&o.most, "most", 1, "stop after so many differences")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	differs, err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
	}
	if differs || err != nil {
		os.Exit(1)
	}
}

type options struct {
	requests, length, most int
	from, seed             uint64
	history, dynalite      string
}

func (o options) run(ctx context.Context, out io.Writer) (differs bool, err error) {
	var a differ.Arena
	if o.dynalite != "" {
		if a.Dynalite, err = differ.StartDynalite(ctx, o.dynalite); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, a.Dynalite.Stop()) }()
	}
	switch {
	case o.history != "":
		h, err := open(o.history)
		if err != nil {
			return false, err
		}
		differs, _, err = o.one(ctx, out, h, a)
		return differs, err
	case o.seed != 0:
		differs, _, err = o.one(ctx, out, differ.Generate(o.seed, o.length), a)
		return differs, err
	}
	return o.many(ctx, out, a)
}

func open(file string) (differ.History, error) {
	if file == "-" {
		return differ.Read(os.Stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return differ.Read(f)
}

// many plays seed after seed.
func (o options) many(ctx context.Context, out io.Writer, a differ.Arena) (differs bool, err error) {
	total := map[string]int{}
	found, asked := 0, 0
	seed := o.from
	for ; asked < o.requests && found < o.most; seed++ {
		differs, counts, err := o.one(ctx, out, differ.Generate(seed, o.length), a)
		if err != nil {
			return found > 0, fmt.Errorf("seed %d: %w", seed, err)
		}
		if differs {
			fmt.Fprintf(out, "seed %d, length %d\n\n", seed, o.length)
			found++
		}
		asked += o.length
		for what, n := range counts {
			total[what] += n
		}
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(total)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, total[what]))
	}
	fmt.Fprintf(out, "%d requests in seeds %d to %d, %d differences\n%s\n", asked, o.from, seed-1, found, strings.Join(parts, ", "))
	if a.Dynalite != nil {
		fmt.Fprintf(out, "known differences of dynalite:\n%s", a.Dynalite.Known())
	}
	return found > 0, nil
}

// one plays one history and tells the smallest that still differs.
func (o options) one(ctx context.Context, out io.Writer, h differ.History, a differ.Arena) (differs bool, counts map[string]int, err error) {
	found, counts, err := a.Play(ctx, h)
	if err != nil || found == nil {
		return false, counts, err
	}
	h, found, err = a.Shrink(ctx, h, found)
	if err != nil {
		return true, counts, err
	}
	flags := ""
	if o.dynalite != "" {
		flags = " -dynalite " + o.dynalite
	}
	fmt.Fprintf(out, "%vgo run ./internal/dynamo/differ/run%s -history - <<'END'\n%vEND\n", found, flags, h)
	return true, counts, nil
}
