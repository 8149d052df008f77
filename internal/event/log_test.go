package event

import "testing"

func TestLogKeepsTheLatestAndWakes(t *testing.T) {
	var l Log
	wake := l.Wake()
	for i := range Kept + 10 {
		l.Add(Event{Took: float64(i)})
	}
	select {
	case <-wake:
	default:
		t.Fatal("Add did not wake the waiter")
	}
	got, next := l.Since(0)
	if len(got) != Kept || got[0].Took != 10 || next != Kept+10 {
		t.Fatalf("Since(0) = %d events from %v, next %d; want %d from 10, next %d", len(got), got[0].Took, next, Kept, Kept+10)
	}
	if got, _ := l.Since(next); len(got) != 0 {
		t.Fatalf("Since(next) = %d events, want none", len(got))
	}
	l.Add(Event{Took: -1})
	if got, _ := l.Since(next); len(got) != 1 || got[0].Took != -1 {
		t.Fatalf("Since(next) after one Add = %v, want that one", got)
	}
}
