package dynamo

import (
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// Parameters that CreateTable and UpdateTable share. What is wrong with a
// TableClass is said in words of its own.
var (
	tableClass         = parameter{name: "TableClass"}
	deletionProtection = parameter{name: "DeletionProtectionEnabled", form: flagForm}
	encryption         = parameter{name: "SSESpecification", form: objectForm, members: []parameter{
		{name: "Enabled", form: flagForm}, {name: "SSEType", enum: []string{"AES256", "KMS"}}, {name: "KMSMasterKeyId"},
	}}
	resourcePolicy         = parameter{name: "ResourcePolicy"}
	vectorIndexes          = parameter{name: "VectorIndexes", form: listForm}
	vectorUpdates          = parameter{name: "VectorIndexUpdates", form: listForm}
	globalSource           = parameter{name: "GlobalTableSourceArn"}
	settingsReplication    = parameter{name: "GlobalTableSettingsReplicationMode", enum: []string{"ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"}}
	disassociationProtects = parameter{name: "DisassociationProtectionEnabled", form: flagForm}
)

// settings reads those of a new table, but for its indexes'.
func (c *call) settings(t *table.Table) error {
	s := &t.Settings
	if err := c.billed(s); err != nil {
		return err
	}
	if err := c.readClass(s); err != nil {
		return err
	}
	var err error
	if s.Encryption, err = readEncryption(c.request.Get("SSESpecification")); err != nil {
		return err
	}
	s.Protected = c.flag("DeletionProtectionEnabled")
	s.Tags, err = readTags(c.request.Get("Tags"))
	return err
}

// indexSettings reads those of a new table's indexes, whose definitions are
// valid.
func (c *call) indexSettings(t *table.Table) error {
	list := c.request.Get("GlobalSecondaryIndexes")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		if err := billIndex(&t.Settings, n.Get("IndexName").Text(), n); err != nil {
			return err
		}
	}
	return nil
}

// readClass reads TableClass, if the request has it.
func (c *call) readClass(s *table.Settings) error {
	switch c.text("TableClass") {
	case "":
	case "STANDARD":
		s.Class = ""
	case table.InfrequentAccess:
		s.Class = table.InfrequentAccess
	default:
		return invalid("Invalid table-class parameter provided. Please try again with a valid table-class value: [STANDARD, STANDARD_INFREQUENT_ACCESS].")
	}
	return nil
}

// readEncryption reads an SSESpecification; nil is the default.
func readEncryption(n item.Node) (*table.Encryption, error) {
	enabled := n.Get("Enabled").Form() == item.True
	kind, key := n.Get("SSEType"), n.Get("KMSMasterKeyId")
	switch {
	case !enabled && kind.Exists():
		return nil, invalidValues("SSEType can not be specified if Enabled is false")
	case !enabled && key.Exists():
		return nil, invalidValues("KMSMasterKeyId can not be specified if Enabled is false")
	case kind.Text() == "AES256":
		return nil, invalidValues("SSEType AES256 is not supported")
	case !enabled:
		return nil, nil
	}
	return &table.Encryption{Key: key.Text()}, nil
}

// appendSettings appends the settings that a table's description tells, but for
// how it is billed.
func appendSettings(dst []byte, t table.Table) []byte {
	s := t.Settings
	dst = append(member(dst, "DeletionProtectionEnabled"), "false"...)
	if s.Protected || t.Owner == table.OwnerSpec { // the API cannot delete it
		dst = append(dst[:len(dst)-len("false")], "true"...)
	}
	dst = appendClass(member(dst, "TableClassSummary"), s.Class, s.ClassSince)
	if s.Encryption != nil { // as it is: nothing here encrypts
		dst = append(member(dst, "SSEDescription"), `{"Status":"DISABLED","SSEType":"KMS"`...)
		dst = append(appendText(dst, "KMSMasterKeyArn", s.Encryption.Key), '}')
	}
	return dst
}

// appendClass appends a TableClassSummary.
func appendClass(dst []byte, class string, since int64) []byte {
	if class == "" {
		class = "STANDARD"
	}
	dst = item.AppendQuoted(append(dst, `{"TableClass":`...), class)
	return append(appendTime(dst, "LastUpdateDateTime", since), '}')
}

// checkRefused refuses settings that this version would not keep to.
func (c *call) checkRefused() error {
	for _, u := range []struct{ parameter, instead string }{
		{"ResourcePolicy", "use the keys of this world and what they may do"},
		{"VectorIndexes", "there are no vector indexes"},
		{"VectorIndexUpdates", "there are no vector indexes"},
		{"GlobalTableSourceArn", "add a region to the table with UpdateTable's ReplicaUpdates"},
		{"GlobalTableWitnessUpdates", "tables are eventually consistent and need no witness"},
	} {
		if n := c.request.Get(u.parameter); n.Exists() && (n.Form() != item.Array || n.Len() > 0) {
			return invalid("%s is not supported: %s", u.parameter, u.instead)
		}
	}
	if mode := c.text("GlobalTableSettingsReplicationMode"); mode != "" && mode != "ENABLED" {
		return invalid("GlobalTableSettingsReplicationMode %s is not supported: a table's settings are the same in all of its regions", mode)
	}
	if c.flag("DisassociationProtectionEnabled") {
		return invalid("DisassociationProtectionEnabled is not supported: there is one account, and no replica leaves it")
	}
	if c.text("MultiRegionConsistency") == "STRONG" {
		return invalid("MultiRegionConsistency STRONG is not supported: tables are EVENTUAL; where one region shall judge all writes, the spec's `consistency: primary` does it")
	}
	return nil
}
