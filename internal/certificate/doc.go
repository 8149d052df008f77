// Package certificate is a world's certificate authority and what each of its
// nodes shows to the others.
//
// An Authority issues one certificate a node, which names the world and the
// node (a region or the witness) in a URI: meridian://world/node. An Identity is
// a node's own certificate, read from files and read again when they change, so
// that renewal needs no restart. Its TLS configurations accept only peers whose
// certificate the authority signed for the same world, and may insist on one
// name; PeerOf says who is at the other end of a connection.
//
// A Bundle is a directory with all that one node needs to be part of a world:
// certificate, access keys, the token of the admin API, and addresses. Init
// writes one bundle a node.
//
// Names stand in the certificate, addresses do not: a node may move without a
// new certificate.
package certificate
