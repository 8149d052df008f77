// Package item has DynamoDB's attribute values: their types, exact numbers, sizes
// as AWS counts them, and their three encodings:
//
//   - the wire's JSON (Document reads any JSON, FromJSON and AppendJSON values),
//   - a compact binary one for storage (Encode, Decode), which also carries the
//     item's size and turns into JSON without decoding (AppendStoredJSON),
//   - an order-preserving one for keys (AppendOrdered).
//
// Values are plain structs without interfaces and share their strings with what
// they were read from, so reading a request costs few allocations:
//
//	var doc item.Document
//	if err := doc.Parse(body); err != nil { … }
//	it, err := item.FromJSON(doc.Root().Get("Item"))
//	stored := item.Encode(nil, it)
//
// Every reader of foreign bytes is bounded in depth (DepthMax) and answers an
// error for whatever it is given; errors are *SyntaxError where the bytes have not
// the form of values, and *InvalidError where DynamoDB refuses their content, in
// its words.
package item
