package spec

import "time"

// Bounds and defaults of an image log.
const (
	imagesKeepMin     = time.Minute
	imagesKeepMax     = 35 * 24 * time.Hour
	imagesKeepDefault = 24 * time.Hour
	imagesSizeMin     = 1 << 20
	imagesSizeMax     = 1 << 40
	imagesSizeDefault = 1 << 30
)

// streamViews are what the records of a stream can show, in DynamoDB's words.
var streamViews = []string{"NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"}

// images reads a time such as 24h, or {keep: 24h, size: 1GB}.
func (v value) images() *Images {
	i := &Images{Keep: imagesKeepDefault, Size: imagesSizeDefault}
	if v.scalar() || v.null() {
		v.keep(i)
		return i
	}
	f := v.fields("keep", "size")
	if v, ok := f.get("keep"); ok {
		v.keep(i)
	}
	if v, ok := f.get("size"); ok {
		if n, good := v.size(imagesSizeMin, imagesSizeMax); good {
			i.Size = n
		}
	}
	return i
}

func (v value) keep(i *Images) {
	d, ok := v.duration(imagesKeepMin, imagesKeepMax)
	if ok && d%time.Second != 0 {
		v.fail(v.node.Value+" is not whole seconds", "write how long changes are kept, such as 24h")
	}
	if ok {
		i.Keep = d
	}
}

func (i Images) format() node {
	m := mapping()
	m.duration("keep", i.Keep)
	m.text("size", bytesText(i.Size))
	return m
}
