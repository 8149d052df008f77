package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCallerMayLeaveBeforeTheAnswer(t *testing.T) {
	u := run(t, "function", nil)
	file := filepath.Join(t.TempDir(), "go")
	payload, _ := json.Marshal(order{Do: "wait", File: file})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := u.Invoke(ctx, "", payload)
		done <- err
	}()
	until(t, "the call", func() bool {
		began, _ := filepath.Glob(file + ".*")
		return len(began) == 1
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the instance to rest", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.pool.idle) == 1
	})
	u.mustOrder(t, order{})
	if got := len(u.started); got != 1 {
		t.Errorf("got %d starts, want 1", got)
	}
}

func TestLinesThatWereHeldBackComeLater(t *testing.T) {
	log := &buffer{}
	l := &lines{log: slog.New(slog.NewTextHandler(log, nil)), request: func() string { return "" }}
	l.hold()
	for n := range backMax + 10 {
		fmt.Fprintf(l, "line-%d\n", n)
	}
	if log.String() != "" {
		t.Errorf("held back, and yet logged:\n%s", log)
	}
	l.release()
	fmt.Fprintln(l, "after")
	if got := strings.Count(log.String(), "\n"); got != backMax+1 || strings.Contains(log.String(), "line-9\n") || !strings.Contains(log.String(), "line-10\n") {
		t.Errorf("got %d lines, want the latest %d and one more:\n%s", got, backMax, log)
	}
}

func TestHandlerErrorKeepsTheInstance(t *testing.T) {
	u := run(t, "function", nil)
	before := u.mustOrder(t, order{})
	_, err := u.order(order{Do: "fail"})
	var reported *HandlerError
	if !errors.As(err, &reported) || reported.Message != "no such note" || !errors.Is(err, ErrHandler) {
		t.Errorf("got %v, want the function's own error", err)
	}
	if after := u.mustOrder(t, order{}); after.PID != before.PID {
		t.Error("an error ended the process")
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	u := run(t, "function", nil)
	if d := u.mustOrder(t, order{Do: "fill", Size: 5 << 20}); len(d.Fill) != 5<<20 {
		t.Errorf("got %d bytes, want %d", len(d.Fill), 5<<20)
	}
	if _, err := u.order(order{Do: "fill", Size: PayloadMax}); !errors.Is(err, ErrResponseTooLarge) {
		t.Errorf("got %v, want %v", err, ErrResponseTooLarge)
	}
	if _, err := u.Invoke(context.Background(), "", make([]byte, PayloadMax+1)); !errors.Is(err, ErrRequestTooLarge) {
		t.Errorf("got %v, want %v", err, ErrRequestTooLarge)
	}
	u.mustOrder(t, order{})
}

func TestOutputGoesToTheLogLineByLine(t *testing.T) {
	u := run(t, "function", nil)
	id := u.mustOrder(t, order{Do: "print"}).ID
	u.stop()
	type line struct{ Msg, Service, Stream, Line, Request string }
	var got []line
	decoder := json.NewDecoder(strings.NewReader(u.log.String()))
	for decoder.More() {
		var l line
		if err := decoder.Decode(&l); err != nil {
			t.Fatal(err)
		}
		if l.Line != "" {
			got = append(got, l)
		}
	}
	for _, want := range []line{
		{"function output", "api", "stdout", "one", id},
		{"function output", "api", "stdout", "two", id},
		{"function output", "api", "stderr", "no newline", id},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %+v in the log, only %+v", want, got)
		}
	}
}

// One id leads from the client through the function to every line of the log.
func TestCallHasTheIDThatItWasGiven(t *testing.T) {
	u := run(t, "function", nil)
	call := func(id, do string) (did, error) {
		payload, _ := json.Marshal(order{Do: do})
		response, err := u.Invoke(context.Background(), id, payload)
		var d did
		json.Unmarshal(response, &d)
		return d, err
	}
	if d, err := call("first", ""); err != nil || d.ID != "first" {
		t.Errorf("the function saw call %q (%v), want first", d.ID, err)
	}
	if d, err := call("", ""); err != nil || len(d.ID) != 36 {
		t.Errorf("the function saw call %q (%v), want a new id", d.ID, err)
	}
	call("failing", "fail")
	call("crashing", "crash")
	<-u.ended
	for message, want := range map[string]string{
		"function returned an error": "failing", "out of luck": "crashing", "function instance ended": "crashing",
	} {
		found := false
		for line := range strings.Lines(u.log.String()) {
			found = found || strings.Contains(line, message) && strings.Contains(line, `"request":"`+want+`"`)
		}
		if !found {
			t.Errorf("no line with %q names request %s:\n%s", message, want, u.log)
		}
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the host")
	u := run(t, "function", nil)
	d := u.mustOrder(t, order{Do: "env"})
	env := map[string]string{}
	for _, e := range d.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if got, ok := env["AWS_SECRET_ACCESS_KEY"]; ok {
		t.Errorf("the function inherited a secret: %q", got)
	}
	for name, want := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "api", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"TABLE_NAME": "notes", "LAMBDA_TASK_ROOT": u.bundle, "_HANDLER": "bootstrap", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
	} {
		if got := env[name]; got != want {
			t.Errorf("got %s=%q, want %q", name, got, want)
		}
	}
}
