package region

import (
	"testing"

	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

func replicated(id record.TableID, regions ...string) table.Table {
	t := table.Table{ID: id}
	for i, r := range regions {
		t.Replicas = append(t.Replicas, table.Replica{Region: r, ID: record.RegionID(i + 1)})
	}
	return t
}

// Each part of each table is one region's to compare, and each region comes to
// all that are its own, one turn after the other.
func TestEveryPartIsSomebodys(t *testing.T) {
	copying := replicated(3, "a", "b", "c")
	copying.Replicas[2].Since = 7
	tables := []table.Table{replicated(1, "a", "b", "c"), replicated(2, "a", "c"), copying, replicated(4, "b")}
	type part struct {
		table record.TableID
		from  uint32
	}
	by := map[part]string{}
	for _, region := range []string{"a", "b", "c"} {
		mine := map[part]int{}
		for turn := uint64(12345); turn < 12345+3*verifyParts; turn++ {
			one, within, at, ok := ownPart(tables, region, turn)
			if !ok {
				t.Fatalf("%s has nothing to do at %d", region, turn)
			}
			if at >= 12345+3*verifyParts {
				break
			}
			turn = at
			mine[part{one.ID, within.From}]++
			if region == "c" && one.ID == 3 {
				t.Fatal("a region that copies a table compares it")
			}
		}
		for p := range mine {
			if by[p] != "" {
				t.Errorf("%v is compared by %s and %s", p, by[p], region)
			}
			by[p] = region
		}
	}
	if want := 3 * verifyParts; len(by) != want {
		t.Errorf("%d parts are compared within one round, of %d", len(by), want)
	}
	if _, _, _, ok := ownPart(tables[3:], "b", 0); ok {
		t.Error("a table in one region is compared")
	}
	if parts := equality.All.Split(verifyParts); len(parts) != verifyParts {
		t.Error(len(parts))
	}
}
