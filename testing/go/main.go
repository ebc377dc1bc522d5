// Command tiles-verifier checks a Cairn log from outside: it knows the public
// formats and nothing of Cairn's code. The arithmetic is that of
// golang.org/x/mod/sumdb, the packages behind Go's checksum database.
//
//	tiles-verifier -url http://127.0.0.1:8080/logs/main -vkey "$VKEY" [-state file]
//
// It verifies the published checkpoint's signature; every hash tile against the
// checkpoint's root; every entry against its leaf hash, with an inclusion proof
// of its own; the chain of "prev" through all entries; and the root once more,
// from the entries alone. With -state it remembers the checkpoint and verifies,
// the next time, that the log has only grown.
//
// A key that is needed to read the log is taken from CAIRN_KEY, not from the
// command line, where other users of the machine could see it.
//
// Exit status: 0 verified, 1 not verified, 2 wrong usage, 3 not reachable.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	flag.Usage = usage
	url := flag.String("url", "", "the log's tile API, for example http://127.0.0.1:8080/logs/main")
	vkey := flag.String("vkey", "", "the log's Ed25519 verifier key, from whoever runs the log")
	state := flag.String("state", "", "file that remembers the last verified checkpoint")
	flag.Parse()
	if *url == "" || *vkey == "" || flag.NArg() > 0 {
		usage()
		os.Exit(2)
	}
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		fmt.Fprintf(os.Stderr, "the verifier key cannot be used: %v\n", err)
		os.Exit(2)
	}

	begun := time.Now()
	api := &tileAPI{url: strings.TrimSuffix(*url, "/"), key: os.Getenv("CAIRN_KEY")}
	report, err := verifyLog(api, verifier, *state)
	if err != nil {
		fmt.Fprintf(os.Stderr, "NOT VERIFIED: %v\n", err)
		var unreachable *unreachableError
		if errors.As(err, &unreachable) {
			os.Exit(3)
		}
		os.Exit(1)
	}
	fmt.Printf("verified %s\n", verifier.Name())
	fmt.Printf("  size         %d\n", report.size)
	fmt.Printf("  root         %s\n", report.root)
	fmt.Printf("  entries      %d (hash, chain link, inclusion proof)\n", report.entries)
	fmt.Printf("  tiles        %d\n", report.tiles)
	fmt.Printf("  bundles      %d\n", report.bundles)
	fmt.Printf("  consistency  %s\n", report.consistency)
	fmt.Printf("  seconds      %.1f\n", time.Since(begun).Seconds())
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: tiles-verifier -url <log's URL> -vkey <verifier key> [-state <file>]")
	flag.PrintDefaults()
}
