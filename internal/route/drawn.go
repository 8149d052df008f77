package route

// drawsTried is how finely Drawn looks: the smallest share that Route 53's
// weights allow among eight regions is 1 in 1,786.
const drawsTried = 4096

// Drawn is the decision that answered with region: where chance decides, the one
// of a draw that leads there. If none does, the region was answered before
// something changed; the decision is then what it is now.
func Drawn(q Query, region string) Decision {
	now := Decide(q)
	if now.Region() == region {
		return now
	}
	for i := range drawsTried {
		q.Draw = (float64(i) + 0.5) / drawsTried
		if d := Decide(q); d.Region() == region {
			return d
		}
	}
	return now
}
