// Command crdb-parse reads SQL with CockroachDB's own parser, so that a migration which only PostgreSQL understands is
// found without a CockroachDB server.
//
//	crdb-parse FILE...     every statement of every file; a refusal names the file and the token
//	crdb-parse -           standard input
//
// It checks grammar, not names or types. The last line is "N statements parsed, N files failed".
// Exit 1: something does not parse. Exit 2: something can't be read, or no file was named.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: crdb-parse FILE... | crdb-parse -")
		os.Exit(2)
	}
	statements, refused := 0, 0
	for _, name := range os.Args[1:] {
		text, err := read(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		parsed, err := parser.Parse(string(text))
		if err != nil {
			fmt.Printf("%s: %v\n", name, err)
			refused++
			continue
		}
		statements += len(parsed)
	}
	fmt.Printf("%d statements parsed, %d files failed\n", statements, refused)
	if refused > 0 {
		os.Exit(1)
	}
}

func read(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}
