// Package backup keeps tables in files: backups in a directory of the region, and
// exports and imports in buckets, which are directories that other programs read
// and write.
//
// Both hold items in DynamoDB JSON, one on a line, in compressed files that a
// manifest lists with their checksums, laid out as AWS's exports are. A Library
// knows the jobs that make and read them, and what they made; it is what a
// restarted region goes on from.
package backup
