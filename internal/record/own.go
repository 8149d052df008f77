package record

import "github.com/meridian-run/meridian/internal/hlc"

// LatestBy answers the time of the last write by one life of a region's log that
// a record shows, for each life: its own version, and those of its attributes and
// increments where it is merged by attribute (DATA 10).
func LatestBy(r Record, region RegionID) (map[LogID]hlc.Time, error) {
	latest := map[LogID]hlc.Time{}
	note := func(v Version, log LogID) {
		if v.Region == region {
			latest[log] = max(latest[log], v.Time)
		}
	}
	note(r.Version, r.Log)
	if !r.ByAttribute {
		return latest, nil
	}
	a, err := expand(r)
	if err != nil {
		return nil, err
	}
	note(a.floor.Version, a.floor.Log)
	note(a.expires.Version, a.expires.Log)
	for _, c := range a.cells {
		note(c.base.Version, c.base.Log)
		for _, n := range c.adds {
			note(n.last, n.log)
		}
	}
	return latest, nil
}
