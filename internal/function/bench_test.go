package function

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkWarm measures what a call to an idle instance costs beyond the
// handler, which does nothing.
func BenchmarkWarm(b *testing.B) {
	u := run(b, "function", nil)
	payload := []byte(`{}`)
	u.mustOrder(b, order{})
	for b.Loop() {
		if _, err := u.Invoke(context.Background(), "", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWarmParallel is the same for several callers at once.
func BenchmarkWarmParallel(b *testing.B) {
	u := run(b, "function", nil)
	payload := []byte(`{}`)
	u.mustOrder(b, order{})
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := u.Invoke(context.Background(), "", payload); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkCold measures a call that has to start its instance: from the call to
// the response.
func BenchmarkCold(b *testing.B) {
	u := run(b, "function", nil)
	for b.Loop() {
		if _, err := u.Check(context.Background(), "", []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		<-u.started
		if reason := <-u.ended; reason != errNotUsed {
			b.Fatal(fmt.Errorf("the instance ended because of %w", reason))
		}
		b.StartTimer()
	}
}
