// Package sigv4 verifies requests that are signed with AWS Signature Version 4,
// in the Authorization header or in the query. It knows no HTTP server and no
// key store: callers pass in what was signed and a function that finds secrets.
//
//	v := sigv4.NewVerifier(sigv4.Config{Service: "dynamodb"})
//	id, err := v.Verify(sigv4.Request{Method: r.Method, …}, keys.Secret)
//
// Errors are *Error, with AWS's type and message. The specification is AWS's
// "Signature Version 4 signing process"; AWS's own signer is the tests' oracle.
package sigv4
