package dashboard

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestThePageStandsAlone(t *testing.T) {
	answer := httptest.NewRecorder()
	Serve(answer, httptest.NewRequest("GET", "/", nil))
	body := answer.Body.String()
	if got := answer.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type %q, want HTML", got)
	}
	if got := answer.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || !strings.Contains(got, "connect-src 'self'") {
		t.Errorf("policy %q lets the page reach others", got)
	}
	// What it loads is in it, or is a path beside it; links are made of the
	// regions' addresses.
	for _, from := range regexp.MustCompile(`(?:src|href)="([^"]*)"|url\(([^)]*)\)`).FindAllStringSubmatch(body, -1) {
		if source := from[1] + from[2]; !strings.HasPrefix(source, "data:") {
			t.Errorf("the page loads %q from elsewhere", source)
		}
	}
	for _, unsafe := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(body, unsafe) {
			t.Errorf("the page uses %s: what a region says could become markup", unsafe)
		}
	}
}
