package spec

// throttleMax is the most capacity units a second that a table can be throttled
// at.
const throttleMax = 1_000_000_000

// throttle reads {reads: 100, writes: 50}.
func (v value) throttle() *Throttle {
	t := &Throttle{Reads: 1, Writes: 1}
	f := v.fields("reads", "writes")
	for _, x := range []struct {
		key string
		to  *int
	}{{"reads", &t.Reads}, {"writes", &t.Writes}} {
		if v, ok := f.need(x.key, "write how many capacity units a second each region serves, such as "+x.key+": 100"); ok {
			if n, good := v.integer(1, throttleMax); good {
				*x.to = n
			}
		}
	}
	return t
}

func (t Throttle) format() node {
	m := mapping()
	m.number("reads", t.Reads)
	m.number("writes", t.Writes)
	return m
}
