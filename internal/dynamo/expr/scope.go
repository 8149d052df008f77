package expr

import (
	"strings"
	"sync"

	"github.com/meridian-run/meridian/internal/item"
)

// Limits of the cache of parsed expressions. Programs use few texts; those that
// build values into them are not worth keeping.
const (
	cacheMax     = 1024
	cachedLength = 1024
)

type cacheKey struct {
	form form
	text string
}

// Parser parses expressions and remembers them by their text. It is safe for
// concurrent use; the zero value is ready.
type Parser struct {
	mu    sync.RWMutex
	cache map[cacheKey]*parsed // guarded by mu
}

func (p *Parser) parse(f form, text string) (*parsed, error) {
	p.mu.RLock()
	found := p.cache[cacheKey{f, text}]
	p.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	if len(text) > cachedLength {
		return parse(f, text)
	}
	text = strings.Clone(text) // what it was cut from may be a whole request
	out, err := parse(f, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cache == nil || len(p.cache) >= cacheMax {
		p.cache = make(map[cacheKey]*parsed)
	}
	p.cache[cacheKey{f, text}] = out
	return out, nil
}

// Name is one of a request's ExpressionAttributeNames.
type Name struct{ Placeholder, Name string }

// Scope is the placeholders of one request; it binds the request's expressions
// and remembers which placeholders they used.
type Scope struct {
	parser     *Parser
	names      []Name
	values     item.Item
	usedNames  []bool
	usedValues []bool
}

// Scope checks the placeholders. Nil names or values are absent; empty ones are
// a mistake.
func (p *Parser) Scope(names []Name, values item.Item) (*Scope, error) {
	if names != nil && len(names) == 0 {
		return nil, &Error{"ExpressionAttributeNames must not be empty"}
	}
	for _, n := range names {
		if err := checkPlaceholder("ExpressionAttributeNames", n.Placeholder, '#'); err != nil {
			return nil, err
		}
		if err := item.CheckName(n.Name); err != nil {
			return nil, errorf("ExpressionAttributeNames contains invalid value: %w for key %s", err, n.Placeholder)
		}
	}
	if values != nil && len(values) == 0 {
		return nil, &Error{"ExpressionAttributeValues must not be empty"}
	}
	for _, v := range values {
		if err := checkPlaceholder("ExpressionAttributeValues", v.Name, ':'); err != nil {
			return nil, err
		}
	}
	used := make([]bool, len(names)+len(values))
	return &Scope{parser: p, names: names, values: values, usedNames: used[:len(names)], usedValues: used[len(names):]}, nil
}

// placeholderMax is the longest placeholder, in bytes.
const placeholderMax = 255

func checkPlaceholder(parameter, key string, sign byte) error {
	switch {
	case len(key) < 2 || key[0] != sign || span(key, 1, isWordByte) != len(key):
		return errorf("%s contains invalid key: Syntax error; key: %q", parameter, key)
	case len(key) > placeholderMax:
		return errorf("%s contains invalid key: The expression attribute map contains a key that is too long; key: %q", parameter, key)
	}
	return nil
}

// Unused reports the placeholders that no expression used.
func (s *Scope) Unused() error {
	var left []string
	for i, n := range s.names {
		if !s.usedNames[i] {
			left = append(left, n.Placeholder)
		}
	}
	if left != nil {
		return errorf("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", strings.Join(left, ", "))
	}
	for i, v := range s.values {
		if !s.usedValues[i] {
			left = append(left, v.Name)
		}
	}
	if left != nil {
		return errorf("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", strings.Join(left, ", "))
	}
	return nil
}

// env is what the slots of one bound expression mean.
type env struct {
	names  []string
	values []item.Value
}

const (
	undefinedName  = "An expression attribute name used in the document path is not defined; attribute name: %s"
	undefinedValue = "An expression attribute value used in expression is not defined; attribute value: %s"
)

// bind looks the expression's placeholders up.
func (s *Scope) bind(p *parsed, found *problems) env {
	e := env{names: make([]string, len(p.names)), values: make([]item.Value, len(p.values))}
	for slot, want := range p.names {
		if i := s.name(want); i >= 0 {
			e.names[slot], s.usedNames[i] = s.names[i].Name, true
			continue
		}
		found.add(rankName, undefinedName, want)
	}
	for slot, want := range p.values {
		if i := s.value(want); i >= 0 {
			e.values[slot], s.usedValues[i] = s.values[i].Value, true
			continue
		}
		found.add(rankValue, undefinedValue, want)
	}
	return e
}

func (s *Scope) name(placeholder string) int {
	for i := range s.names {
		if s.names[i].Placeholder == placeholder {
			return i
		}
	}
	return -1
}

func (s *Scope) value(placeholder string) int {
	for i := range s.values {
		if s.values[i].Name == placeholder {
			return i
		}
	}
	return -1
}

// Condition binds a condition or filter; parameter names it in errors.
func (s *Scope) Condition(parameter, text string) (*Condition, error) {
	p, err := s.parser.parse(conditionForm, text)
	if err != nil {
		return nil, errorf("Invalid %s: %w", parameter, err)
	}
	var undefined problems // each comparison looks for its own
	c := &Condition{root: p.condition, env: s.bind(p, &undefined)}
	if err := c.env.checkLeaves(p, c.root); err != nil {
		return nil, errorf("Invalid %s: %w", parameter, err)
	}
	return c, nil
}

// Update binds an update expression.
func (s *Scope) Update(text string) (*Update, error) {
	p, err := s.parser.parse(updateForm, text)
	if err != nil {
		return nil, errorf("Invalid UpdateExpression: %w", err)
	}
	var found problems
	u := &Update{env: s.bind(p, &found), actions: p.actions}
	u.check(&found)
	if err := found.first(updateOrder); err != nil {
		return nil, errorf("Invalid UpdateExpression: %w", err)
	}
	return u, nil
}

// Projection binds a projection expression.
func (s *Scope) Projection(text string) (*Projection, error) {
	p, err := s.parser.parse(projectionForm, text)
	if err != nil {
		return nil, errorf("Invalid ProjectionExpression: %w", err)
	}
	var found problems
	e := s.bind(p, &found)
	e.checkOverlap(p.projection, &found)
	if err := found.first(conditionOrder); err != nil {
		return nil, errorf("Invalid ProjectionExpression: %w", err)
	}
	return e.projection(p.projection), nil
}
