package function

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// headerMax is how many bytes of a program runnable wants to see: enough for the
// header of each format, and for a PE file's that follows a DOS program.
const headerMax = 4096

// system is an operating system and a processor, in Go's words.
type system struct{ os, arch string }

func (s system) String() string { return s.os + "/" + s.arch }

var errNotExecutable = errors.New("is neither a program nor a script with #! at its beginning")

// runnable reports why a program that begins with head cannot run on here.
func runnable(head []byte, here system) error {
	if bytes.HasPrefix(head, []byte("#!")) {
		return nil
	}
	built, err := builtFor(head)
	if err != nil {
		return err
	}
	if slices.Contains(built, here) {
		return nil
	}
	names := make([]string, len(built))
	for i, s := range built {
		names[i] = s.String()
	}
	return fmt.Errorf("is built for %s, but this is %s: build it with GOOS=%s GOARCH=%s, or the like",
		strings.Join(names, " and "), here, here.os, here.arch)
}

// builtFor reads the systems that a program is built for from its header.
func builtFor(head []byte) ([]system, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return builtELF(head)
	case bytes.HasPrefix(head, []byte("MZ")):
		return builtPE(head)
	case bytes.HasPrefix(head, []byte{0xcf, 0xfa, 0xed, 0xfe}), bytes.HasPrefix(head, []byte{0xce, 0xfa, 0xed, 0xfe}):
		return builtMachO(head)
	case bytes.HasPrefix(head, []byte{0xca, 0xfe, 0xba, 0xbe}):
		return builtFat(head)
	}
	return nil, errNotExecutable
}

var errHeaderShort = errors.New("has a header that is cut short")

// builtELF reads e_ident's class, data and OSABI, and e_machine.
func builtELF(head []byte) ([]system, error) {
	if len(head) < 20 {
		return nil, errHeaderShort
	}
	big := head[5] == 2
	order := binary.ByteOrder(binary.LittleEndian)
	if big {
		order = binary.BigEndian
	}
	name := named(elfSystems, uint32(head[7]), "ELF system")
	arch := named(elfMachines, uint32(order.Uint16(head[18:])), "ELF machine")
	switch {
	case arch == "ppc64" && !big:
		arch = "ppc64le"
	case arch == "riscv" && head[4] == 2:
		arch = "riscv64"
	}
	return []system{{name, arch}}, nil
}

// Linux programs carry ABI 0 (System V) or 3.
var elfSystems = map[uint32]string{0: "linux", 2: "netbsd", 3: "linux", 6: "solaris", 9: "freebsd", 12: "openbsd"}

var elfMachines = map[uint32]string{
	3: "386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "amd64",
	183: "arm64", 243: "riscv", 258: "loong64",
}

// builtPE reads the machine behind the offset that the DOS header names.
func builtPE(head []byte) ([]system, error) {
	if len(head) < 0x40 {
		return nil, errHeaderShort
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at+6 > int64(len(head)) {
		return nil, errHeaderShort
	}
	if !bytes.Equal(head[at:at+4], []byte("PE\x00\x00")) {
		return []system{{"dos", "8086"}}, nil
	}
	machine := binary.LittleEndian.Uint16(head[at+4:])
	return []system{{"windows", named(peMachines, uint32(machine), "PE machine")}}, nil
}

var peMachines = map[uint32]string{0x14c: "386", 0x8664: "amd64", 0x1c4: "arm", 0xaa64: "arm64"}

func builtMachO(head []byte) ([]system, error) {
	if len(head) < 8 {
		return nil, errHeaderShort
	}
	return []system{{"darwin", named(machOTypes, binary.LittleEndian.Uint32(head[4:]), "Mach-O type")}}, nil
}

// builtFat reads the list of a universal binary, which is big-endian.
func builtFat(head []byte) ([]system, error) {
	const entry, entriesMax = 20, 16
	if len(head) < 8 {
		return nil, errHeaderShort
	}
	n := int(binary.BigEndian.Uint32(head[4:]))
	// A Java class begins alike; its version is where the count would be.
	if n < 1 || n > entriesMax {
		return nil, errNotExecutable
	}
	if len(head) < 8+n*entry {
		return nil, errHeaderShort
	}
	var all []system
	for i := range n {
		cpu := binary.BigEndian.Uint32(head[8+i*entry:])
		all = append(all, system{"darwin", named(machOTypes, cpu, "Mach-O type")})
	}
	return all, nil
}

var machOTypes = map[uint32]string{7: "386", 12: "arm", 0x0100_0007: "amd64", 0x0100_000c: "arm64"}

func named(names map[uint32]string, code uint32, what string) string {
	if name, ok := names[code]; ok {
		return name
	}
	return fmt.Sprintf("%s %#x", what, code)
}
