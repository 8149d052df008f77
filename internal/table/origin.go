package table

// Origin is what a table was filled from before it could be used: a backup, an
// earlier state of another table, or files.
type Origin struct {
	// Source and Backup are the ARNs of the table, and of its backup; empty where
	// there is none.
	Source string `json:"source,omitempty"`
	Backup string `json:"backup,omitempty"`
	// At is the moment that was restored, in Unix milliseconds; 0 of files.
	At int64 `json:"at,omitempty"`
	// Job is what fills the table, in Region; empty once it is whole. Until then it
	// serves nobody.
	Job    string `json:"job,omitempty"`
	Region string `json:"region,omitempty"`
}

// Filling reports whether the table is still being filled.
func (t Table) Filling() bool { return t.Origin != nil && t.Origin.Job != "" }

func sameOrigin(a, b *Origin) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
