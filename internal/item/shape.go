package item

// CheckShape finds the first thing in a map of typed values that has another
// JSON form than its type, whatever else is wrong with the values: DynamoDB reads
// a whole request before it looks at what it says. The error is a *SyntaxError.
func CheckShape(n Node) error {
	if err := mapForm(n); err != nil {
		return err
	}
	return each(n, CheckValueShape)
}

// CheckValueShape is CheckShape of one typed value.
func CheckValueShape(n Node) error {
	if err := valueForm(n); err != nil || !n.Exists() {
		return err
	}
	return each(n, func(c Node) error {
		kind := KindOf(c.Key())
		if kind == None || !c.Exists() {
			return nil
		}
		return kindShape(kind, c)
	})
}

func kindShape(kind Kind, n Node) error {
	switch kind {
	case M:
		return CheckShape(n)
	case L:
		return listShape(n, CheckValueShape)
	case SS, NS, BS:
		return listShape(n, func(c Node) error { return kindShape(kind.Elem(), c) })
	case Bool, Null:
		_, err := BoolFrom(n)
		return err
	case B:
		_, err := readBinary(n)
		return err
	}
	_, err := StringFrom(n)
	return err
}

func listShape(n Node, element func(Node) error) error {
	if err := listForm(n); err != nil {
		return err
	}
	return each(n, element)
}

func each(n Node, fn func(Node) error) error {
	for c, ok := n.First(); ok; c, ok = c.Next() {
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}
