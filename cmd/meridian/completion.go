package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
)

func completionCommand() *command {
	return &command{
		name:      "completion",
		arguments: "bash|zsh|fish",
		summary:   "the script that completes meridian's words in a shell",
		about:     "Completion prints a script for a shell. Commands, flags and the world's regions complete.",
		examples: []string{
			`source <(meridian completion bash)      # in ~/.bashrc`,
			`source <(meridian completion zsh)       # in ~/.zshrc, after compinit`,
			`meridian completion fish | source       # in ~/.config/fish/config.fish`,
		},
		words: []string{"bash", "zsh", "fish"},
		build: func(a *app, _ *flagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error {
				if len(args) > 0 && args[0] == "words" { // the scripts call this
					for _, word := range a.complete(args[1:]) {
						fmt.Fprintln(a.out, word)
					}
					return nil
				}
				if err := want("completion", args, 1, 1, "bash|zsh|fish"); err != nil {
					return err
				}
				script, known := completionScripts[args[0]]
				if !known {
					return usagef("completion: there is a script for bash, zsh and fish, not for %q", args[0])
				}
				fmt.Fprint(a.out, script)
				return nil
			}
		},
	}
}

// completionScripts ask `meridian completion words` for the candidates, so they
// never have to change.
var completionScripts = map[string]string{
	"bash": `_meridian() {
  local IFS=$'\n'
  COMPREPLY=($(meridian completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ "${#COMPREPLY[@]}" -gt 0 ] || compopt -o default
}
complete -F _meridian meridian
`,
	"zsh": `_meridian() {
  local -a found
  found=(${(f)"$(meridian completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( $#found )); then compadd -a found; else _files; fi
}
compdef _meridian meridian
`,
	"fish": `complete -c meridian -a '(meridian completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

// complete returns what the last of words can become.
func (a *app) complete(words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	typed := words[len(words)-1]
	var candidates []string
	if len(words) == 1 {
		for _, c := range commands() {
			candidates = append(candidates, c.name)
		}
		return matching(candidates, typed)
	}
	c := find(words[0])
	if c == nil {
		return nil
	}
	if strings.HasPrefix(typed, "-") {
		flags := newFlagSet(c.name)
		c.build(a, flags)
		flags.VisitAll(func(f *flag.Flag) { candidates = append(candidates, "--"+f.Name) })
		return matching(candidates, typed)
	}
	position := 0
	for _, word := range words[1 : len(words)-1] {
		if !strings.HasPrefix(word, "-") {
			position++
		}
	}
	return matching(a.argumentWords(c, position), typed)
}

// argumentWords is what can stand at that position.
func (a *app) argumentWords(c *command, position int) []string {
	switch {
	case c.name == "help":
		var names []string
		for _, other := range commands() {
			names = append(names, other.name)
		}
		return names
	case position == 0 && len(c.words) > 0:
		return c.words
	case position == 0 && c.regions, c.name == "region":
		return a.regionNames()
	}
	return nil
}

// regionNames reads them from the context file, without asking anyone.
func (a *app) regionNames() []string {
	none := ""
	found, err := (&worldCommand{app: a, context: &none}).load()
	if err != nil {
		return nil
	}
	return namesOf(found)
}

func namesOf(c client.Context) []string {
	names := make([]string, len(c.Regions))
	for i, e := range c.Regions {
		names[i] = e.Region
	}
	return names
}

func matching(candidates []string, typed string) []string {
	return slices.DeleteFunc(slices.Clone(candidates), func(c string) bool { return !strings.HasPrefix(c, typed) })
}
