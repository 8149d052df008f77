package differ

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// Of make test; make test-long asks more.
const (
	testSeeds    = 15
	testRequests = 200
)

func TestD1_RandomRequestsAreAnsweredAsByTheModel(t *testing.T) {
	total := map[string]int{}
	for seed := uint64(1); seed <= testSeeds; seed++ {
		h := Generate(seed, testRequests)
		d, counts, err := Arena{}.Play(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			h, d, err = Arena{}.Shrink(t.Context(), h, d)
			t.Fatalf("seed %d: %v (shrinking: %v)\ngo run ./internal/dynamo/differ/run -history - <<'END'\n%vEND", seed, d, err, h)
		}
		for what, n := range counts {
			total[what] += n
		}
	}
	for _, operation := range []string{
		"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems",
	} {
		if total[operation] < 20 {
			t.Errorf("only %d of %s were asked: %v", total[operation], operation, total)
		}
	}
	if refused, asked := total["ValidationException"], testSeeds*testRequests; refused > asked/2 || refused < asked/10 {
		t.Errorf("%d of %d were refused: %v", refused, asked, total)
	}
}

// Each file is what was left of a difference: the server's mistake is mended.
func TestD1_KeptHistoriesAreAnsweredAsByTheModel(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			h, err := Read(f)
			if err != nil {
				t.Fatal(err)
			}
			if d, _, err := (Arena{}).Play(t.Context(), h); d != nil || err != nil {
				t.Error(d, err)
			}
		})
	}
}

// A server that forgets one attribute is found out, and the history that shows it
// is small.
func TestD1_AWrongAnswerIsFoundAndShrunk(t *testing.T) {
	a := Arena{distort: func(operation string, answer *model.Answer) {
		if it, ok := answer.Body["Item"].(map[string]any); ok && operation == "GetItem" {
			delete(it, "m")
		}
	}}
	for seed := uint64(1); ; seed++ {
		h := Generate(seed, testRequests)
		d, _, err := a.Play(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			continue
		}
		small, d, err := a.Shrink(t.Context(), h, d)
		if err != nil || d.Who != "meridian" || !strings.HasPrefix(d.What, "Item") {
			t.Fatal(d, err)
		}
		if len(small) != 3 { // a table, a write and a read
			t.Errorf("%d requests are left of %d: %v", len(small), len(h), small)
		}
		again, err := Read(strings.NewReader(small.String()))
		if err != nil {
			t.Fatal(err)
		}
		if d, _, err := a.Play(t.Context(), again); d == nil || err != nil {
			t.Errorf("as it is printed it shows nothing: %v", err)
		}
		if d, _, err := (Arena{}).Play(t.Context(), again); d != nil || err != nil {
			t.Errorf("the server is right: %v, %v", d, err)
		}
		return
	}
}

func TestSeedsGiveTheSameHistory(t *testing.T) {
	if a, b := Generate(7, 50).String(), Generate(7, 50).String(); a != b {
		t.Errorf("two histories:\n%s\n%s", a, b)
	}
	if Generate(7, 50).String() == Generate(8, 50).String() {
		t.Error("two seeds give one history")
	}
}

func TestAnswersAreComparedAsClientsMay(t *testing.T) {
	answer := func(body string) model.Answer {
		a, err := answerOf(200, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		operation, a, b string
		same            bool
	}{
		{"GetItem", `{"Item":{"s":{"SS":["a","b"]}}}`, `{"Item":{"s":{"SS":["b","a"]}}}`, true},
		{"GetItem", `{"Item":{"l":{"L":[{"S":"a"},{"S":"b"}]}}}`, `{"Item":{"l":{"L":[{"S":"b"},{"S":"a"}]}}}`, false},
		{"GetItem", `{"Item":{"n":{"N":"1"}}}`, `{"Item":{"n":{"N":"1.0"}}}`, false},
		{"GetItem", `{"ConsumedCapacity":{"CapacityUnits":1.0}}`, `{"ConsumedCapacity":{"CapacityUnits":1}}`, true},
		{"GetItem", `{"ConsumedCapacity":{"CapacityUnits":1.5}}`, `{"ConsumedCapacity":{"CapacityUnits":1}}`, false},
		{"Scan", `{"Items":[{"a":{"S":"a"}},{"a":{"S":"b"}}]}`, `{"Items":[{"a":{"S":"b"}},{"a":{"S":"a"}}]}`, true},
		{"Query", `{"Items":[{"a":{"S":"a"}},{"a":{"S":"b"}}]}`, `{"Items":[{"a":{"S":"b"}},{"a":{"S":"a"}}]}`, false},
		{"GetItem", `{}`, `{"Item":{}}`, false},
	} {
		if got := difference(c.operation, answer(c.a), answer(c.b)) == ""; got != c.same {
			t.Errorf("%s %s and %s: same %v", c.operation, c.a, c.b, got)
		}
	}
	refused := func(message string) model.Answer {
		a, err := answerOf(400, fmt.Appendf(nil, `{"__type":"com.amazon.coral.validate#ValidationException","message":%q}`, message))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if difference("GetItem", refused("a"), refused("b")) == "" || difference("GetItem", refused("a"), refused("a")) != "" {
		t.Error("messages are not compared")
	}
}
