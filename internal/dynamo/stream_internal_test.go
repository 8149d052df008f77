package dynamo

import (
	"testing"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

const someARN = "arn:aws:dynamodb:eu-west-1:000000000000:table/notes/stream/2023-11-14T22:13:20.123"

// Iterators are foreign bytes when they come back: what is not one is refused,
// and what is one says the same again.
func FuzzShardIterator(f *testing.F) {
	good := iterator{arn: someARN, after: store.ImageCursor{Log: 1 << 63, Sequence: 12, Index: 3}, made: 1_700_000_000_000}.String()
	for _, seed := range []string{good, "", "|1|", someARN + "|1|", good[:len(good)-1], good + "A", "x" + good} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := parseIterator(text)
		if err != nil {
			return
		}
		if again, err := parseIterator(i.String()); err != nil || again != i {
			t.Errorf("%q is %+v, and again %+v, %v", text, i, again, err)
		}
	})
}

// Sequence numbers are equally long, and in the order of what they number.
func FuzzSequenceNumber(f *testing.F) {
	f.Add("100000000000000000000000000000", uint64(1), uint32(0))
	f.Add("179228162514264337593543950335", uint64(1<<64-1), uint32(1<<32-1))
	f.Add("-00000000000000000000000000001", uint64(0), uint32(1<<31))
	f.Fuzz(func(t *testing.T, text string, sequence uint64, index uint32) {
		if c, ok := parseSequenceNumber(text); ok && sequenceNumber(c) != text {
			t.Errorf("%q is %v, which is %q", text, c, sequenceNumber(c))
		}
		c := store.ImageCursor{Sequence: sequence, Index: index}
		number := sequenceNumber(c)
		if got, ok := parseSequenceNumber(number); !ok || got != c || len(number) < sequenceDigitsMin || len(number) > sequenceDigitsMax {
			t.Errorf("%v is %q, which is %v", c, number, got)
		}
		if index > 0 && sequenceNumber(before(c)) >= number {
			t.Errorf("%v is not behind the place before it", c)
		}
	})
}

// The names of shards are AWS's in form, and of one length.
func TestShardNames(t *testing.T) {
	for life, want := range map[record.LogID]string{
		1:         "shardId-00000000000000000001-00000000",
		1<<64 - 1: "shardId-18446744073709551615-ffffffff",
	} {
		if got := shardName(life); got != want {
			t.Errorf("%x is %s, want %s", uint64(life), got, want)
		}
	}
}
