package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	results := flag.String("results", "", "a `file` with a line of JSON for each case")
	docs := flag.String("docs", "docs/tables.md", "the `file` that has the tables")
	flag.Parse()
	if err := run(*results, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run writes the tables of the docs anew.
func run(resultsPath, docsPath string) error {
	file, err := os.Open(resultsPath)
	if err != nil {
		return err
	}
	defer file.Close()
	results, err := read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", resultsPath, err)
	}
	docs, err := os.ReadFile(docsPath)
	if err != nil {
		return err
	}
	operations := supported(string(docs))
	if len(results) == 0 || len(operations) == 0 {
		return errors.New("no results, or no operations in the docs")
	}
	text, err := replaced(string(docs), tables(results, operations))
	if err != nil {
		return fmt.Errorf("%s: %w", docsPath, err)
	}
	return os.WriteFile(docsPath, []byte(text), 0o644)
}
