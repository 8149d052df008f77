// Package link carries messages between the regions of a world: HTTP/2 over
// mutual TLS, one port. A stream carries framed messages both ways (replication);
// a post is one small message and its reply (probe observations, control state).
//
// Both ends prove with a certificate of the world's authority which region they
// are; a certificate of another authority, another world or another region than
// the one dialed is refused. A refusal, like a peer that cannot be reached, is
// reported through Events once for each change of state, however often it is
// tried, and counted each time.
//
// Streams and posts use separate connections, so that a long catch-up does not
// hold up an observation. The receive window of a stream is larger than
// replication's window of bytes, so that only replication's own pacing counts
// on long links. link knows nothing of what it carries.
//
//	server := link.NewServer(link.ServerConfig{Identity: me, Listen: l, TLS: config,
//		Streams: map[string]link.StreamHandler{"pull": replica.Serve}})
//	go server.Run(ctx)
//	client := link.NewClient(link.ClientConfig{Identity: me, TLS: config, Address: address})
//	stream, err := client.Open(ctx, "eu-west-1", "pull")
package link
