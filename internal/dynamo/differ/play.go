package differ

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// Difference is a request that was answered in two ways.
type Difference struct {
	// At counts the history's steps from 0; Step is what was asked last, with the
	// start key that a walk had come to.
	At   int
	Step Step
	// Who differs from the model, and in what.
	Who, What string
	Want, Got model.Answer
}

// String is the request and both answers as JSON lines.
func (d *Difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "request %d, %s: %s\n", d.At+1, d.Who, d.What)
	fmt.Fprintf(&b, "request:  %s\n", encode(d.Step))
	fmt.Fprintf(&b, "model:    %s\n", brief(encode(d.Want)))
	fmt.Fprintf(&b, "%-9s %s\n", d.Who+":", brief(encode(d.Got)))
	return b.String()
}

// Arena is who plays histories: always the model and the server.
type Arena struct {
	// Dynalite is asked too if it is not nil.
	Dynalite *Dynalite
	// distort changes the server's answers, so that tests see what comes of it.
	distort func(operation string, a *model.Answer)
}

// player plays one history.
type player struct {
	Arena
	model  *model.Model
	server *server
	counts map[string]int
}

// Play plays a history to the end, or to the first difference. counts are the
// requests by operation, and the refusals by type. An error is not a difference:
// something could not be asked.
func (a Arena) Play(ctx context.Context, h History) (d *Difference, counts map[string]int, err error) {
	s, err := openServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	if a.Dynalite != nil {
		if err := a.Dynalite.restart(); err != nil {
			return nil, nil, err
		}
	}
	p := &player{Arena: a, model: model.New(), server: s, counts: map[string]int{}}
	for i, step := range h {
		d, err := p.step(ctx, step)
		if d != nil {
			d.At = i
		}
		if d != nil || err != nil {
			return d, p.counts, err
		}
	}
	return nil, p.counts, nil
}

func (p *player) step(ctx context.Context, s Step) (*Difference, error) {
	switch {
	case s.Operation == "CreateTable":
		return nil, p.createTable(ctx, s)
	case s.Walk && s.Operation == "Scan":
		return p.gather(ctx, s)
	case s.Walk:
		return p.walk(ctx, s)
	}
	d, _, err := p.once(ctx, s)
	return d, err
}

// createTable makes a table everywhere; what is answered is not compared.
func (p *player) createTable(ctx context.Context, s Step) error {
	p.model.Ask(s.Operation, clone(s.Request))
	a, err := p.server.ask(ctx, s.Operation, s.Request)
	if err == nil && a.Type != "" {
		err = fmt.Errorf("create table: %s: %s", a.Type, a.Message)
	}
	if err == nil && p.Dynalite != nil {
		err = p.Dynalite.createTable(ctx, s.Request)
	}
	return err
}

// once asks everybody once.
func (p *player) once(ctx context.Context, s Step) (*Difference, model.Answer, error) {
	want := p.model.Ask(s.Operation, clone(s.Request))
	got, err := p.server.ask(ctx, s.Operation, s.Request)
	if err != nil {
		return nil, want, err
	}
	if p.distort != nil {
		p.distort(s.Operation, &got)
	}
	p.counts[s.Operation]++
	if want.Type != "" {
		p.counts[want.Type]++
	}
	if what := difference(s.Operation, want, got); what != "" {
		return &Difference{Step: s, Who: "meridian", What: what, Want: want, Got: got}, want, nil
	}
	if p.Dynalite == nil {
		return nil, want, nil
	}
	d, err := p.Dynalite.compare(ctx, p, s, want)
	return d, want, err
}

// pagesMax bounds a walk.
const pagesMax = 500

// walk asks for page after page, each of which is compared.
func (p *player) walk(ctx context.Context, s Step) (*Difference, error) {
	s = clone(s)
	for range pagesMax {
		d, want, err := p.once(ctx, s)
		if d != nil || err != nil {
			return d, err
		}
		last, more := want.Body["LastEvaluatedKey"]
		if !more {
			return nil, nil
		}
		s.Request["ExclusiveStartKey"] = last
	}
	return nil, fmt.Errorf("a walk of more than %d pages", pagesMax)
}

// gather asks for page after page of a scan: together they must hold each item
// once, and each page must hold to its limit.
func (p *player) gather(ctx context.Context, s Step) (*Difference, error) {
	whole := clone(s)
	if integer(s.Request["Limit"]) > 0 {
		delete(whole.Request, "Limit") // others are refused
	}
	want := p.model.Ask(s.Operation, clone(whole.Request))
	p.counts["walks"]++
	got, err := p.pages(ctx, s)
	if err != nil {
		return nil, err
	}
	if want.Type == "" {
		delete(want.Body, "LastEvaluatedKey")
	}
	if what := difference(s.Operation, want, got); what != "" {
		return &Difference{Step: s, Who: "meridian", What: what, Want: want, Got: got}, nil
	}
	if p.Dynalite == nil || s.Request["TotalSegments"] != nil {
		return nil, nil
	}
	return p.Dynalite.compare(ctx, p, whole, want)
}

// pages are the server's pages of a scan, of all of its segments, as one answer.
func (p *player) pages(ctx context.Context, s Step) (model.Answer, error) {
	all := model.Answer{Status: http.StatusOK, Body: map[string]any{"Count": number(0), "ScannedCount": number(0)}}
	segments := max(1, integer(s.Request["TotalSegments"]))
	if integer(s.Request["Segment"]) >= segments {
		return p.server.ask(ctx, s.Operation, s.Request) // refused
	}
	for segment := range segments {
		one := clone(s)
		if one.Request["Segment"] != nil {
			one.Request["Segment"] = number(segment)
		}
		refused, err := p.segment(ctx, one, all.Body)
		if err != nil || refused != nil {
			return answer(refused), err
		}
	}
	return all, nil
}

// segment adds the pages of one segment to an answer; or is why it is refused.
func (p *player) segment(ctx context.Context, s Step, all map[string]any) (refused *model.Answer, err error) {
	for range pagesMax {
		a, err := p.server.ask(ctx, s.Operation, s.Request)
		if err != nil || a.Type != "" {
			return &a, err
		}
		if part, isList := a.Body["Items"].([]any); isList {
			items, _ := all["Items"].([]any)
			all["Items"] = append(append([]any{}, items...), part...)
		}
		scanned := integer(a.Body["ScannedCount"])
		all["Count"] = number(integer(all["Count"]) + integer(a.Body["Count"]))
		all["ScannedCount"] = number(integer(all["ScannedCount"]) + scanned)
		if limit := integer(s.Request["Limit"]); limit > 0 && scanned > limit {
			return nil, fmt.Errorf("a page of %d items under a limit of %d", scanned, limit)
		}
		last, more := a.Body["LastEvaluatedKey"]
		if !more {
			return nil, nil
		}
		s.Request["ExclusiveStartKey"] = last
	}
	return nil, fmt.Errorf("a scan of more than %d pages", pagesMax)
}

func answer(a *model.Answer) model.Answer {
	if a == nil {
		return model.Answer{}
	}
	return *a
}

func integer(j any) int64 {
	n, _ := j.(json.Number)
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}

func number(n int64) json.Number { return json.Number(fmt.Sprint(n)) }
