package expr

// update reads SET, REMOVE, ADD and DELETE sections, each at most once.
func (p *parser) update() {
	var seen [len(sectionNames)]bool
	for first := true; first || p.peek().kind != endToken; first = false {
		s, ok := p.sectionName()
		if !ok {
			p.fail()
		}
		if seen[s] {
			p.problems.add(rankSection, "The %q section can only be used once in an update expression;", sectionNames[s])
		}
		seen[s] = true
		p.out.actions = append(p.out.actions, p.action(s))
		for p.take(",") {
			p.out.actions = append(p.out.actions, p.action(s))
		}
	}
}

func (p *parser) sectionName() (section, bool) {
	for i, name := range sectionNames {
		if p.take(name) {
			return section(i), true
		}
	}
	return 0, false
}

func (p *parser) action(s section) action {
	a := action{section: s, path: p.path()}
	switch s {
	case setSection:
		p.expect("=")
		a.operand = p.sum()
	case addSection, deleteSection:
		t := p.peek()
		if t.kind != valueToken {
			p.fail()
		}
		a.operand = p.operand()
	}
	return a
}

// sum is an operand, or two with + or - between them.
func (p *parser) sum() *node {
	left := p.term()
	switch {
	case p.take("+"):
		p.count()
		return &node{op: opAdd, kids: []*node{left, p.term()}}
	case p.take("-"):
		p.count()
		return &node{op: opSubtract, kids: []*node{left, p.term()}}
	}
	return left
}

// term is what an assignment is made of: a value, a path, a function's call, or
// a sum in parentheses.
func (p *parser) term() *node {
	if p.take("(") {
		n := p.sum()
		p.expect(")")
		return n
	}
	if p.peek().kind == word && p.tokens[p.at+1].is("(") {
		return p.call(p.term)
	}
	return p.operand()
}
