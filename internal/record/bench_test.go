package record

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkMerge is one record of 1 KB, with ten attributes, that comes behind
// another one that its writer had seen: whole, and by attribute.
func BenchmarkMerge(b *testing.B) {
	sets := map[string]string{}
	for i := range 10 {
		sets[fmt.Sprint("attribute", i)] = strings.Repeat("x", 100)
	}
	p := newPlay()
	current := p.do(b, regionA, deed{all: true, sets: sets})
	p.pull(b, regionB, 0)
	incoming := p.do(b, regionB, deed{sets: map[string]string{"attribute3": "y"}})
	whole := func(r Record) Record {
		r.ByAttribute, r.Cells = false, nil
		return r
	}
	for _, one := range []struct {
		name              string
		current, incoming Record
	}{{"whole", whole(current), whole(incoming)}, {"attributes", current, incoming}} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Merge(one.current, one.incoming, Frontiers{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
