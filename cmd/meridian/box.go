package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
)

// box is what dev shows when its world is ready.
type box struct {
	status client.Status
	data   string        // the data directory
	took   time.Duration // since the start
	try    []string      // commands to try next
}

// writeBox prints the addresses of each region and what to try next.
func writeBox(w io.Writer, s style, b box) {
	frame(w, s, b.lines(s))
}

func (b box) lines(s style) []string {
	lines := []string{
		fmt.Sprintf("%s runs in %s, ready after %s", s.bold(b.status.World), count(len(b.status.Regions), "region"), seconds(b.took.Seconds())),
		"",
	}
	var columns strings.Builder
	t := &table{style: s}
	t.row("REGION", "API", "DNS", "TABLES", "ADMIN AND STATUS PAGE")
	for _, r := range b.status.Regions {
		a := r.Addresses
		t.row(s.bold(r.Name), address("http://", a.API), address("", a.DNS), address("http://", a.Tables), address("http://", a.Admin))
	}
	t.write(&columns)
	lines = append(lines, strings.Split(strings.TrimSpace(columns.String()), "\n")...)
	lines = append(lines, b.aliases(s)...)
	lines = append(lines, "", s.dim("Try in a second terminal:"))
	for _, command := range b.try {
		lines = append(lines, "  "+command)
	}
	return append(lines, "", s.dim("Ctrl-C stops everything; the data stays in "+b.data))
}

// aliases explains one-address mode, in which answers are not addresses to
// connect to.
func (b box) aliases(s style) []string {
	var commands []string
	for _, r := range b.status.Regions {
		host, _, err := net.SplitHostPort(r.Addresses.API)
		if err == nil && r.Addresses.Answer != "" && host != r.Addresses.Answer {
			commands = append(commands, "  sudo ifconfig lo0 alias "+r.Addresses.Answer)
		}
	}
	if len(commands) == 0 {
		return nil
	}
	return append([]string{
		"",
		s.dim("All regions share 127.0.0.1. DNS answers stay 127.0.10.1, 127.0.20.1, … as the regions'"),
		s.dim("names; `meridian request` knows where they are. For addresses of their own on macOS:"),
	}, commands...)
}

func address(scheme, hostPort string) string {
	if hostPort == "" {
		return "-"
	}
	return scheme + hostPort
}

// frame prints lines in a box.
func frame(w io.Writer, s style, lines []string) {
	widest := 0
	for _, line := range lines {
		widest = max(widest, width(line))
	}
	edge := strings.Repeat("─", widest+2)
	fmt.Fprintln(w, s.dim("╭"+edge+"╮"))
	for _, line := range lines {
		fmt.Fprintf(w, "%s %s%s %s\n", s.dim("│"), line, strings.Repeat(" ", widest-width(line)), s.dim("│"))
	}
	fmt.Fprintln(w, s.dim("╰"+edge+"╯"))
}

// besideHere is a folder as it is best typed: $PWD/bin if it is below this one.
func besideHere(dir string) string {
	here, err := os.Getwd()
	if below, inside := strings.CutPrefix(dir, here+string(filepath.Separator)); err == nil && inside {
		return "$PWD/" + quote(below)
	}
	return quote(dir)
}

// The bounds of a try.txt: what fits on a screen.
const (
	tryBytesMax = 4 << 10
	tryLinesMax = 16
)

// tryCommands are the commands to try: those in try.txt beside the spec, else
// some that suit every world. contextFile is this world's: where commands would
// find another one by themselves, they are told.
func tryCommands(specFile, contextFile string, status client.Status) []string {
	commands := preparations(contextFile)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(specFile), "try.txt"))
	if err == nil && len(text) <= tryBytesMax {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, line := range lines[:min(len(lines), tryLinesMax)] {
			commands = append(commands, plain(line))
		}
		return commands
	}
	first, service := "", ""
	if len(status.Regions) > 0 {
		first = status.Regions[0].Name
	}
	if len(status.Services) > 1 {
		service = " --service " + status.Services[0].Name
	}
	if len(status.Services) > 0 {
		commands = append(commands, "meridian request GET /"+service+` --from "New York"`)
	}
	return append(commands,
		"meridian region stop "+first+" && meridian status --watch",
		"meridian region start "+first,
	)
}

// preparations let commands typed in this folder find the program and the world.
func preparations(contextFile string) []string {
	var commands []string
	if path, err := exec.LookPath("meridian"); err != nil || path == "" {
		if self, err := os.Executable(); err == nil {
			commands = append(commands, "export PATH="+besideHere(filepath.Dir(self))+":$PATH")
		}
	}
	wanted, err := filepath.Abs(contextFile)
	if err != nil {
		return commands
	}
	if found, err := client.FindContext("."); err != nil || found != wanted {
		commands = append(commands, "export MERIDIAN_CONTEXT="+quote(wanted))
	}
	return commands
}
