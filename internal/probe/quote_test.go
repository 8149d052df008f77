package probe

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestH3_ReasonNamesTheFailingChecks(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{
			"of the region", `{"status":"unhealthy","checks":{"store":{"status":"unhealthy","reason":"storage failed: writes are refused","latency_ms":0},"memory":{"status":"healthy","latency_ms":1}}}`,
			"503: store: storage failed: writes are refused",
		},
		{"without a reason", `{"checks":{"database":{"latency_ms":3,"status":"unhealthy"}},"status":"unhealthy"}`, "503: database is unhealthy"},
		{
			"several", `{"status":"unhealthy","checks":{"b":{"status":"down","error":"no route"},"a":{"status":"unhealthy","reason":"late"},"c":{"status":"UP"}}}`,
			"503: a: late; b: no route",
		},
		{
			"many", `{"checks":{"a":{"status":"bad"},"b":{"status":"bad"},"c":{"status":"bad"},"d":{"status":"bad"},"e":{"status":"bad"}}}`,
			"503: a is bad; b is bad; c is bad; 2 more",
		},
		{"only a status", `{"status": "sorry"}`, "503: sorry"},
		{"an error of a gateway", `{"kind":"timeout","message":"the service did not answer in time","region":"eu-west-1"}`, "503: the service did not answer in time"},
		{"other JSON", `{"code": 7, "checks": []}`, "status 503"},
		{"cut JSON", `{"status":"unhealthy","checks":{"sto`, "status 503"},
		{"text", "\n broken:\teverything \nand more\n", "503: broken: everything"},
		{"nothing", "", "status 503"},
		{"a long line", strings.Repeat("many words ", 100), "503: " + strings.TrimRight(strings.Repeat("many words ", 10), " ") + " many…"},
		{"a long word", strings.Repeat("é", 100), "503: " + strings.Repeat("é", 58) + "…"},
	} {
		if got := quote(503, []byte(c.body)); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add([]byte(`{"status":"unhealthy","checks":{"store":{"status":"unhealthy","reason":"full"}}}`))
	f.Add([]byte("text\xff\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := quote(503, body)
		if len(got) > quoteBytesMax+len("503: ") || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\t") {
			t.Errorf("got %q", got)
		}
	})
}
