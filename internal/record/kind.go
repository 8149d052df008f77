package record

// Kind says what an item is that travels between regions beside the key that it
// is of.
type Kind uint8

const (
	// KindRecord is a key's current record.
	KindRecord Kind = iota
	// KindReceipt is what is kept of a write of the key that lost unseen, as
	// ReceiptOf makes it (DATA 8).
	KindReceipt
	// KindFloor is the time up to which receipts of a table are not kept any more,
	// as eight bytes; the key is the table's alone (DATA 8).
	KindFloor
	// KindEnd is behind the last kind.
	KindEnd
)
