package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/meridian-run/meridian/client"
)

func lookupCommand() *command {
	return &command{
		name:      "lookup",
		arguments: "NAME",
		summary:   "what the nameserver answers to whom, and why",
		about: `Lookup explains an answer of the nameserver: which region it gives to a client at
--from, by which rule, and why the other regions were left out. NAME is a service or
a host name; --from is a place, an IP address or a CIDR prefix. Without it the client's
place is unknown.`,
		examples: []string{
			"meridian lookup api --from Tokyo",
			"meridian lookup api.notes.test --from 203.0.113.0/24",
		},
		build: func(a *app, flags *flagSet) func(context.Context, []string) error {
			w := worldFlags(a, flags)
			from := flags.String("from", "", "where the client is: a `place`, an IP address or a CIDR prefix")
			asJSON := flags.Bool("json", false, "print JSON")
			return func(ctx context.Context, args []string) error {
				if err := want("lookup", args, 1, 1, "NAME [--from PLACE]"); err != nil {
					return err
				}
				c, err := w.client("")
				if err != nil {
					return err
				}
				answer, err := c.Lookup(ctx, client.LookupRequest{Name: args[0], From: *from})
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "answered by %s\n", cmp.Or(answer.Answered, c.Answered()))
				if *asJSON {
					return writeIndented(a.out, answer)
				}
				writeLookup(a.out, a.styleOf(a.out), answer)
				return nil
			}
		},
	}
}

func writeLookup(w io.Writer, s style, l client.Lookup) {
	first := "no address"
	if len(l.Answers) > 0 {
		first = l.Answers[0].Region + "  " + l.Answers[0].Address
	}
	fmt.Fprintf(w, "%s\n", s.bold(first))
	fmt.Fprintf(w, "name     %s  (%s, TTL %d s)\n", l.Name, cmp.Or(l.Policy, "fixed"), l.TTLSeconds)
	if l.Client != "" {
		fmt.Fprintf(w, "client   %s  %s; %s\n", l.Client, cmp.Or(plain(l.Place), "place unknown"), holdsFor(l))
	}
	writeReason(w, s, l)
	if l.Dig != "" {
		fmt.Fprintf(w, "equal    %s\n", l.Dig)
	}
}

// holdsFor says for which clients a resolver may keep the answer: what its ECS
// scope means (RFC 7871, 7.2.1).
func holdsFor(l client.Lookup) string {
	network, err := netip.ParsePrefix(l.Client)
	switch {
	case l.Scope == 0:
		return "the answer is not for its network alone, but for all"
	case err != nil || l.Scope == network.Bits():
		return "the answer holds for this network"
	case l.Scope < network.Bits():
		return "the answer holds for all of " + netip.PrefixFrom(network.Addr(), l.Scope).Masked().String()
	}
	return fmt.Sprintf("the answer is for it as a whole: it has parts, as its first /%d, that may get others", l.Scope)
}

// writeReason prints why this answer, what comes next, and what was left out
// if the reason does not say so itself.
func writeReason(w io.Writer, s style, l client.Lookup) {
	reason := plain(l.Reason)
	shown := reason
	if l.FailOpen { // the reason begins with it; that of an older node may not
		shown = s.yellow("fail open: ") + strings.TrimPrefix(reason, "fail open: ")
	}
	fmt.Fprintf(w, "reason   %s\n", shown)
	if len(l.Answers) > 1 {
		var next []string
		for _, a := range l.Answers[1:] {
			next = append(next, a.Region)
		}
		fmt.Fprintf(w, "then     %s\n", strings.Join(next, ", "))
	}
	for _, x := range l.Excluded {
		if strings.Contains(reason, x.Region+":") {
			continue
		}
		seen := ""
		if len(x.SeenBy) > 0 {
			seen = " (seen by " + strings.Join(x.SeenBy, ", ") + ")"
		}
		fmt.Fprintf(w, "without  %s: %s%s\n", s.yellow(x.Region), plain(x.Why), seen)
	}
}

func writeIndented(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
