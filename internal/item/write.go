package item

import "encoding/base64"

// AppendJSON appends the item as the wire has it: {"name":{"S":"text"},…}.
func (it Item) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, a := range it {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendQuoted(dst, a.Name)
		dst = append(dst, ':')
		dst = a.Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

// AppendJSON appends the value as the wire has it: {"S":"text"}.
func (v Value) AppendJSON(dst []byte) []byte {
	dst = appendOpening(dst, v.Kind)
	switch v.Kind {
	case Bool:
		dst = appendBool(dst, v.Bool)
	case Null:
		dst = append(dst, "true"...)
	case M:
		dst = v.Map.AppendJSON(dst)
	case L:
		dst = append(dst, '[')
		for i, e := range v.List {
			dst = appendComma(dst, i)
			dst = e.AppendJSON(dst)
		}
		dst = append(dst, ']')
	case SS, NS, BS:
		dst = append(dst, '[')
		for i, e := range v.List {
			dst = appendComma(dst, i)
			dst = appendScalar(dst, e.Kind, e.Text)
		}
		dst = append(dst, ']')
	default:
		dst = appendScalar(dst, v.Kind, v.Text)
	}
	return append(dst, '}')
}

// appendOpening appends {"S": for the kind.
func appendOpening(dst []byte, kind Kind) []byte {
	dst = append(dst, '{', '"')
	dst = append(dst, kind.String()...)
	return append(dst, '"', ':')
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func appendScalar(dst []byte, kind Kind, text string) []byte {
	switch kind {
	case S:
		return AppendQuoted(dst, text)
	case B:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, []byte(text))
		return append(dst, '"')
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}
