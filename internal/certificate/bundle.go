package certificate

// Names of the files in a bundle directory.
const (
	authorityFile   = "ca.crt"
	certificateFile = "node.crt"
	keyFile         = "node.key"
)
