package spec

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: whatever the bytes, Parse answers with a world or with complete
// errors, and a world is what its own Format says.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Add(Init("shop"))
	f.Fuzz(func(t *testing.T, source []byte) {
		w, err := Parse("/spec/fuzz.yaml", source)
		if err != nil {
			checkErrors(t, err)
			return
		}
		formatted := w.Format()
		again, err := Parse("/spec/fuzz.yaml", formatted)
		if err != nil {
			t.Fatalf("format does not parse: %v\n%s", err, formatted)
		}
		if diff := cmp.Diff(again, w, same); diff != "" {
			t.Fatalf("again (-), first (+)\n%s\n%s", diff, formatted)
		}
		if string(again.Format()) != string(formatted) {
			t.Fatalf("formats differently:\n%s\n%s", formatted, again.Format())
		}
	})
}
