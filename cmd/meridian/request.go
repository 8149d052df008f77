package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/meridian-run/meridian/client"
)

func requestCommand() *command {
	return &command{
		name:      "request",
		arguments: "METHOD PATH",
		summary:   "an HTTP request as a client elsewhere would make it",
		about: `Request asks the nameserver as a client at --from, connects to the region that it
gives, and shows what came back, from where, why from there, and how long it took.
In a dev world it goes through the simulated network, so the timings are those of the
place. The curl and dig lines do the same by hand, without the simulated distance.

It exits with 5 if the service answers with status 400 or above.`,
		examples: []string{
			`meridian request POST /data --body '{"name":"x"}' --from "New York"`,
			"meridian request GET /data/$id --from Sydney",
			`id=$(meridian request POST /data --body '{"name":"x"}' --quiet | jq -r .requestId)`,
			"meridian request PUT /file --body @picture.png -H 'Content-Type: image/png'",
		},
		words: []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			r := &requestRun{app: a, world: worldFlags(a, flags)}
			flags.StringVar(&r.from, "from", "", "where the client is: a `place`, an IP address or a CIDR prefix")
			flags.StringVar(&r.service, "service", "", "the `service`; may be left out if there is one")
			flags.StringVar(&r.body, "body", "", "the body; @FILE reads a file, @- standard input")
			flags.Var(&r.headers, "H", "a request `header`: 'Name: value'; may be repeated")
			flags.DurationVar(&r.timeout, "timeout", 30*time.Second, "give up after this `time`")
			flags.BoolVar(&r.quiet, "quiet", false, "print the answer's body only")
			flags.BoolVar(&r.json, "json", false, "print JSON; the body in it is base64")
			return r.run
		},
	}
}

// requestRun is one run of the command.
type requestRun struct {
	app     *app
	world   *worldCommand
	from    string
	service string
	body    string
	headers repeated
	timeout time.Duration
	quiet   bool
	json    bool
}

func (r *requestRun) run(ctx context.Context, args []string) error {
	if err := want("request", args, 2, 2, "METHOD PATH [--from PLACE]"); err != nil {
		return err
	}
	request, err := r.request(args[0], args[1])
	if err != nil {
		return err
	}
	context, err := r.world.load()
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{Context: context})
	if err != nil {
		return err
	}
	response, err := r.send(ctx, c, context, request)
	if err != nil {
		return err
	}
	return r.print(request, response)
}

// send lets dev's controller make the request from the right place in the
// simulated network; the real network is right here.
func (r *requestRun) send(ctx context.Context, c *client.Client, world client.Context, request client.Request) (client.Response, error) {
	if world.Controller != "" {
		return c.Request(ctx, request)
	}
	return sendDirectly(ctx, c, request)
}

// request makes the request of the flags and arguments.
func (r *requestRun) request(method, path string) (client.Request, error) {
	if !strings.HasPrefix(path, "/") {
		return client.Request{}, usagef("request: the path %q must begin with /; --service chooses the host", path)
	}
	if r.timeout <= 0 {
		return client.Request{}, usagef("request: --timeout is %s, but a request takes some time", r.timeout)
	}
	body, err := r.readBody()
	if err != nil {
		return client.Request{}, err
	}
	header := http.Header{}
	for _, line := range r.headers {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return client.Request{}, usagef("request: -H %q is no header: write 'Name: value'", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if len(body) > 0 && header.Get("Content-Type") == "" && json.Valid(body) {
		header.Set("Content-Type", "application/json")
	}
	return client.Request{
		Method: strings.ToUpper(method), Path: path, Service: r.service, From: r.from,
		Header: header, Body: body, TimeoutMillis: r.timeout.Milliseconds(),
	}, nil
}

func (r *requestRun) readBody() ([]byte, error) {
	file, isFile := strings.CutPrefix(r.body, "@")
	switch {
	case !isFile:
		return []byte(r.body), nil
	case file == "-":
		return io.ReadAll(r.app.in)
	}
	return os.ReadFile(file)
}

func (r *requestRun) print(request client.Request, response client.Response) error {
	var err error
	switch {
	case r.json:
		err = writeIndented(r.app.out, response)
	case r.quiet:
		_, err = r.app.out.Write(response.Body)
	default:
		writeResponse(r.app.out, r.app.styleOf(r.app.out), request, response)
	}
	if err == nil && response.Status >= http.StatusBadRequest {
		return statusError{}
	}
	return err
}

func writeResponse(w io.Writer, s style, request client.Request, response client.Response) {
	status := fmt.Sprintf("%d %s", response.Status, http.StatusText(response.Status))
	if response.Status < http.StatusBadRequest {
		status = s.green(status)
	} else {
		status = s.red(status)
	}
	served := cmp.Or(response.ServedBy, response.Region)
	fmt.Fprintf(w, "%s from %s\n", status, s.bold(served))
	if served != response.Region {
		fmt.Fprintf(w, "via      %s passed the request on\n", response.Region)
	}
	writeReason(w, s, response.Lookup)
	t := response.Timings
	fmt.Fprintf(w, "time     dns %s, connect %s, first byte %s, total %s\n",
		millis(t.DNSMillis), millis(t.ConnectMillis), millis(t.FirstByteMillis), millis(t.TotalMillis))
	if response.RequestID != "" {
		fmt.Fprintf(w, "id       %s\n", plain(response.RequestID))
	}
	fmt.Fprintf(w, "equal    %s\n", curlLine(request, response))
	if response.Lookup.Dig != "" {
		fmt.Fprintf(w, "         %s\n", response.Lookup.Dig)
	}
	if len(response.Body) > 0 {
		fmt.Fprintf(w, "\n%s\n", readable(response.Body))
	}
}

// bodyShown bounds how much of a body a person gets to see.
const bodyShown = 64 << 10

// readable is the body as text, or what it is if it is none.
func readable(body []byte) string {
	if !utf8.Valid(body) {
		return fmt.Sprintf("(%d bytes that are no text; --quiet prints them)", len(body))
	}
	if len(body) > bodyShown {
		return fmt.Sprintf("%s…\n(%d bytes; --quiet prints all)", plainLines(string(body[:bodyShown])), len(body))
	}
	return plainLines(strings.TrimRight(string(body), "\n"))
}

// plainLines is plain for text of several lines.
func plainLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n")
}

// curlLine is the curl command that does the same.
func curlLine(request client.Request, response client.Response) string {
	words := []string{"curl"}
	switch {
	case request.Method == http.MethodHead:
		words = append(words, "-I")
	case request.Method != http.MethodGet || len(request.Body) > 0:
		words = append(words, "-X", request.Method)
	}
	if response.Lookup.Name != "" {
		words = append(words, "-H", quote("Host: "+response.Lookup.Name))
	}
	for _, name := range sortedKeys(request.Header) {
		for _, value := range request.Header[name] {
			words = append(words, "-H", quote(name+": "+value))
		}
	}
	if len(request.Body) > 0 {
		body := string(request.Body)
		if !utf8.Valid(request.Body) || len(body) > 1000 {
			body = "@FILE"
		}
		words = append(words, "--data-binary", quote(body))
	}
	return strings.Join(append(words, quote("http://"+response.Address+request.Path)), " ")
}

// quote makes one shell word of text.
func quote(text string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
