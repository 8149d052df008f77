package sim

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Command is one thing that is done to the world: an operation of a client, a
// fault, or an expectation. doc.go lists them.
type Command struct {
	// At is when, since the start.
	At   time.Duration
	Name string
	Args []string
}

// String is the command as a script has it.
func (c Command) String() string {
	return fmt.Sprintf("@%s %s", c.At, strings.Join(append([]string{c.Name}, c.Args...), " "))
}

// Script is a history: how the world is at the start, and what is done to it.
type Script struct {
	// Name is the file's, or the seed's.
	Name string
	// Seed is of what is not written down: delays, and how long a sync takes.
	Seed     uint64
	Setup    []Command // before the regions start
	Commands []Command
}

// setup are the commands that describe the world at its start.
var setup = map[string]bool{
	"seed": true, "regions": true, "table": true, "delay": true, "sync": true, "beat": true, "restless": true, "skew": true,
	"retention": true,
}

// Parse reads a script: a command a line, "@1.5s" in front of one says when it
// happens, "advance 2s" lets time pass; everything behind # is a remark.
func Parse(name string, r io.Reader) (Script, error) {
	s := Script{Name: name}
	at := time.Duration(0)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if when, ok := strings.CutPrefix(fields[0], "@"); ok {
			d, err := time.ParseDuration(when)
			if err != nil || len(fields) == 1 {
				return s, fmt.Errorf("%s:%d: want @DURATION COMMAND", name, n)
			}
			at, fields = d, fields[1:]
		}
		c := Command{At: at, Name: fields[0], Args: fields[1:]}
		switch {
		case c.Name == "seed":
			if _, err := fmt.Sscan(c.arg(0), &s.Seed); err != nil {
				return s, fmt.Errorf("%s:%d: seed: %w", name, n, err)
			}
		case setup[c.Name]:
			s.Setup = append(s.Setup, c)
		case c.Name == "advance":
			d, err := time.ParseDuration(c.arg(0))
			if err != nil {
				return s, fmt.Errorf("%s:%d: advance: %w", name, n, err)
			}
			at += d
		default:
			if commands[c.Name] == nil {
				return s, fmt.Errorf("%s:%d: no command is called %s", name, n, c.Name)
			}
			s.Commands = append(s.Commands, c)
		}
	}
	return s, lines.Err()
}

// Write is the opposite of Parse.
func (s Script) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n", s.Seed)
	for _, c := range s.Setup {
		fmt.Fprintln(&b, strings.Join(append([]string{c.Name}, c.Args...), " "))
	}
	for _, c := range s.Commands {
		fmt.Fprintln(&b, c)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// arg answers argument i, or nothing.
func (c Command) arg(i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// duration reads argument i.
func (c Command) duration(i int) (time.Duration, error) {
	d, err := time.ParseDuration(c.arg(i))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c, err)
	}
	return d, nil
}
