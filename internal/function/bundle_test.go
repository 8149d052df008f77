package function

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// elf, pe and machO make the beginning of a program for the system.
func elf(abi byte, machine uint16) []byte {
	head := append([]byte("\x7fELF\x02\x01\x01"), abi)
	head = append(head, make([]byte, 10)...)
	return binary.LittleEndian.AppendUint16(head, machine)
}

func pe(machine uint16) []byte {
	head := append([]byte("MZ"), make([]byte, 0x3e)...)
	binary.LittleEndian.PutUint32(head[0x3c:], 0x40)
	return binary.LittleEndian.AppendUint16(append(head, "PE\x00\x00"...), machine)
}

func machO(cpu uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xcf, 0xfa, 0xed, 0xfe}, cpu)
}

func fat(cpus ...uint32) []byte {
	head := binary.BigEndian.AppendUint32([]byte{0xca, 0xfe, 0xba, 0xbe}, uint32(len(cpus)))
	for _, cpu := range cpus {
		head = append(binary.BigEndian.AppendUint32(head, cpu), make([]byte, 16)...)
	}
	return head
}

func TestProgramsAreKnownByTheirHeader(t *testing.T) {
	for _, c := range []struct {
		name string
		head []byte
		here system
		want string // "" is runnable
	}{
		{"its own", elf(0, 62), system{"linux", "amd64"}, ""},
		{"GNU's ABI", elf(3, 183), system{"linux", "arm64"}, ""},
		{"a script", []byte("#!/bin/sh\n"), system{"linux", "amd64"}, ""},
		{"another processor", elf(0, 183), system{"linux", "amd64"}, "is built for linux/arm64, but this is linux/amd64"},
		{"another system", elf(9, 62), system{"linux", "amd64"}, "is built for freebsd/amd64, but this is linux/amd64"},
		{"Linux on a Mac", elf(0, 62), system{"darwin", "arm64"}, "is built for linux/amd64, but this is darwin/arm64"},
		{"Windows", pe(0x8664), system{"linux", "amd64"}, "is built for windows/amd64, but this is linux/amd64"},
		{"macOS", machO(0x0100_000c), system{"linux", "amd64"}, "is built for darwin/arm64, but this is linux/amd64"},
		{"both Macs, on Linux", fat(0x0100_0007, 0x0100_000c), system{"linux", "amd64"}, "is built for darwin/amd64 and darwin/arm64, but this is linux/amd64"},
		{"both Macs, on one", fat(0x0100_0007, 0x0100_000c), system{"darwin", "arm64"}, ""},
		{"an unknown machine", elf(0, 9999), system{"linux", "amd64"}, "is built for linux/ELF machine 0x270f"},
		{"cut short", []byte("\x7fELF"), system{"linux", "amd64"}, "cut short"},
		{"a Java class", []byte{0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65}, system{"linux", "amd64"}, "neither a program nor a script"},
		{"text", []byte("hello"), system{"linux", "amd64"}, "neither a program nor a script"},
		{"nothing", nil, system{"linux", "amd64"}, "neither a program nor a script"},
	} {
		err := runnable(c.head, c.here)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, head := range [][]byte{elf(0, 62), pe(0x8664), machO(7), fat(7, 12), []byte("#!")} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		built, err := builtFor(head)
		if err == nil && len(built) == 0 {
			t.Error("neither a system nor an error")
		}
	})
}

type entry struct {
	name string
	mode fs.FileMode
	body []byte
}

func writeZip(t *testing.T, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(e.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestZipIsUnpackedOnceForItsContent(t *testing.T) {
	state := t.TempDir()
	path := writeZip(t, entry{"bootstrap", 0o644, []byte("#!/bin/sh\n")}, entry{"lib/", fs.ModeDir | 0o755, nil}, entry{"lib/data.txt", 0o600, []byte("x")})
	dir, hold, err := openBundle(path, state)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "lib", "data.txt")); err != nil || string(text) != "x" {
		t.Errorf("got %q (%v), want x", text, err)
	}
	again, holdAgain, err := openBundle(path, state)
	if err != nil || again != dir {
		t.Errorf("got %s (%v), want %s again", again, err, dir)
	}
	letGo(holdAgain)
	other := writeZip(t, entry{"bootstrap", 0o755, []byte("#!/bin/bash\n")})
	for _, held := range []bool{true, false} {
		next, holdNext, err := openBundle(other, state)
		if err != nil || next == dir {
			t.Fatalf("another zip gave %s (%v)", next, err)
		}
		defer letGo(holdNext)
		if _, err := os.Stat(filepath.Join(dir, "lib", "data.txt")); (err == nil) != held {
			t.Errorf("the earlier bundle, held %v: %v", held, err)
		}
		letGo(hold) // its runner ends
	}
}

func TestUnpackedZipIsBounded(t *testing.T) {
	archive, err := zip.OpenReader(writeZip(t, entry{"one", 0o644, make([]byte, 600)}, entry{"two", 0o644, make([]byte, 600)}))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := unpack(&archive.Reader, t.TempDir(), 1200); err != nil {
		t.Errorf("1200 bytes of 1200: %v", err)
	}
	if err := unpack(&archive.Reader, t.TempDir(), 1199); !errors.Is(err, errTooLarge) {
		t.Errorf("1200 bytes of 1199: got %v, want %v", err, errTooLarge)
	}
}

func TestBundlesThatCannotRunAreRefused(t *testing.T) {
	dir := func(name string, mode fs.FileMode, body []byte) string {
		d := t.TempDir()
		if err := os.WriteFile(filepath.Join(d, name), body, mode); err != nil {
			t.Fatal(err)
		}
		return d
	}
	foreign := elf(0, 183)
	if runtime.GOARCH == "arm64" {
		foreign = elf(0, 62)
	}
	script := []byte("#!/bin/sh\n")
	for _, c := range []struct{ name, path, want string }{
		{"missing", filepath.Join(t.TempDir(), "none"), "does not exist: build it first"},
		{"empty", t.TempDir(), "has no file named bootstrap"},
		{"not executable", dir("bootstrap", 0o600, script), "chmod +x"},
		{"another system's", dir("bootstrap", 0o700, foreign), "but this is " + runtime.GOOS + "/" + runtime.GOARCH},
		{"another system's in a zip", writeZip(t, entry{"bootstrap", 0o755, foreign}), "but this is " + runtime.GOOS + "/" + runtime.GOARCH},
		{"no zip", filepath.Join(dir("x", 0o600, script), "x"), "neither a directory nor a zip"},
		{"leads out", writeZip(t, entry{"../bootstrap", 0o755, script}), "leads out of the bundle"},
		{"absolute", writeZip(t, entry{"/bootstrap", 0o755, script}), "leads out of the bundle"},
		{"a link", writeZip(t, entry{"bootstrap", fs.ModeSymlink | 0o777, []byte("/bin/sh")}), "only files and directories"},
		{"a name twice", writeZip(t, entry{"bootstrap", 0o755, script}, entry{"bootstrap", 0o755, script}), "exists"},
	} {
		if _, _, err := openBundle(c.path, t.TempDir()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	_, err := New(Config{Name: "api", Bundle: dir("bootstrap", 0o700, foreign), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "function api: bundle ") {
		t.Errorf("got %v, want the function and the bundle named", err)
	}
}

func TestCheckLooksInsideWithoutUnpacking(t *testing.T) {
	other := elf(0, 62)
	if runtime.GOARCH == "amd64" {
		other = elf(0, 183)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), other, 0o755); err != nil {
		t.Fatal(err)
	}
	script := entry{"bootstrap", 0o755, []byte("#!/bin/sh\n")}
	for _, c := range []struct{ name, path, want string }{
		{"a zip that fits", writeZip(t, script), ""},
		{"a zip for another system", writeZip(t, entry{"bootstrap", 0o755, other}), "is built for"},
		{"a zip without bootstrap", writeZip(t, entry{"main", 0o755, script.body}), "has no file named bootstrap"},
		{"a directory for another system", dir, "is built for"},
		{"no zip", filepath.Join(dir, "bootstrap"), "neither a directory nor a zip"},
		{"nothing", filepath.Join(dir, "none"), "no such file"},
	} {
		if err := Check(c.path); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
