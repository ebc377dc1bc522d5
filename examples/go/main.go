// Records an event over plain HTTP, and checks what comes back. Nothing but Go's standard library.
//
//	CAIRN_URL=http://127.0.0.1:7070 CAIRN_KEY=cairn_… CAIRN_VKEY='audit.example.com/logs/main+…' go run .
//
// The receipt says at which place of the log the event stands, and under which checkpoint. This checks that the entry
// there holds the event, that it is in the tree under the checkpoint's root, and that the log has signed the checkpoint.
// The log's public key (`cairn init` has printed it) must reach you another way than from the log. The key for the API
// needs the scopes write and read.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const attemptsMax = 8

type receipt struct {
	Origin     string   `json:"origin"`
	Seq        int64    `json:"seq"`
	LeafHash   []byte   `json:"leafHash"`
	Proof      [][]byte `json:"proof"`
	Checkpoint string   `json:"checkpoint"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	event, err := json.Marshal(map[string]any{
		// Ours to choose: whoever sends the same event again gets the first receipt again.
		"id":      hex.EncodeToString(id),
		"type":    "change.role.grant",
		"actor":   map[string]string{"id": "alice@example.com", "type": "user"},
		"action":  "grant",
		"targets": []map[string]string{{"type": "role", "id": "billing-admin"}},
		"outcome": "success",
	})
	if err != nil {
		return err
	}
	answer, err := request("POST", "/events", event)
	if err != nil {
		return err
	}
	var r receipt
	if err := json.Unmarshal(answer, &r); err != nil {
		return err
	}
	if err := check(event, r); err != nil {
		return fmt.Errorf("the receipt does not hold: %w", err)
	}
	fmt.Printf("recorded as entry %d of %s\n", r.Seq, r.Origin)
	return nil
}

// request asks the log. What passes is tried again: with the same event id that is always safe.
func request(method, path string, body []byte) ([]byte, error) {
	log := os.Getenv("CAIRN_LOG")
	if log == "" {
		log = "main"
	}
	url := strings.TrimRight(os.Getenv("CAIRN_URL"), "/") + "/v1/logs/" + log + path
	var failure error
	for attempt := 0; attempt < attemptsMax; attempt++ {
		asked, err := http.NewRequest(method, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		asked.Header.Set("Authorization", "Bearer "+os.Getenv("CAIRN_KEY"))
		asked.Header.Set("Content-Type", "application/json")
		wait := time.Duration(100<<attempt) * time.Millisecond
		answer, err := http.DefaultClient.Do(asked)
		if err != nil {
			failure = err
		} else {
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err == nil && answer.StatusCode < 300 {
				return text, nil
			}
			failure = fmt.Errorf("the log refused: %s: %s", answer.Status, text)
			if answer.StatusCode != 429 && answer.StatusCode != 503 {
				return nil, failure
			}
			if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
				wait = time.Duration(seconds) * time.Second
			}
		}
		time.Sleep(wait)
	}
	return nil, failure
}

func check(event []byte, r receipt) error {
	entry, err := request("GET", fmt.Sprintf("/events/%d", r.Seq), nil)
	if err != nil {
		return err
	}
	// What was sent is stored byte for byte, at the end of the entry.
	if !bytes.HasSuffix(entry, append(append([]byte(`"event":`), event...), '}')) {
		return errors.New("the entry holds another event")
	}
	leaf := sha256.Sum256(append([]byte{0}, entry...))
	if !bytes.Equal(leaf[:], r.LeafHash) {
		return errors.New("the entry has another hash")
	}
	size, root, err := openCheckpoint(r.Checkpoint, r.Origin, os.Getenv("CAIRN_VKEY"))
	if err != nil {
		return err
	}
	found, err := rootOf(leaf[:], r.Seq, size, r.Proof)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, root) {
		return errors.New("the entry is not in the tree")
	}
	return nil
}

// openCheckpoint verifies a signed note (c2sp.org/signed-note) with an Ed25519 key, and returns the tree's size and root.
func openCheckpoint(note, origin, vkey string) (int64, []byte, error) {
	text, signatures, isNote := strings.Cut(note, "\n\n")
	lines := strings.Split(text, "\n")
	parts := strings.SplitN(vkey, "+", 3)
	if !isNote || len(lines) < 3 || len(parts) != 3 {
		return 0, nil, errors.New("no checkpoint, or no key in CAIRN_VKEY")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 1 {
		return 0, nil, errors.New("CAIRN_VKEY is no Ed25519 key")
	}
	if lines[0] != origin || parts[0] != origin {
		return 0, nil, fmt.Errorf("the checkpoint is of %s, the key of %s", lines[0], parts[0])
	}
	isSigned := false
	for _, line := range strings.Split(signatures, "\n") {
		encoded, isOurs := strings.CutPrefix(line, "— "+parts[0]+" ")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if isOurs && err == nil && len(signature) == 4+ed25519.SignatureSize &&
			hex.EncodeToString(signature[:4]) == parts[1] &&
			ed25519.Verify(key[1:], []byte(text+"\n"), signature[4:]) {
			isSigned = true
		}
	}
	if !isSigned {
		return 0, nil, errors.New("the checkpoint is not signed with the key in CAIRN_VKEY")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, nil, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	return size, root, err
}

// rootOf walks an inclusion proof (RFC 9162, section 2.1.3.2).
func rootOf(leaf []byte, seq, size int64, proof [][]byte) ([]byte, error) {
	node, index, last := leaf, seq, size-1
	for _, sibling := range proof {
		if last == 0 {
			return nil, errors.New("the proof is longer than the tree is high")
		}
		if index%2 == 1 || index == last {
			node = hashNode(sibling, node)
			for index%2 == 0 && index > 0 {
				index, last = index/2, last/2
			}
		} else {
			node = hashNode(node, sibling)
		}
		index, last = index/2, last/2
	}
	if last != 0 {
		return nil, errors.New("the proof is shorter than the tree is high")
	}
	return node, nil
}

func hashNode(left, right []byte) []byte {
	hash := sha256.Sum256(bytes.Join([][]byte{{1}, left, right}, nil))
	return hash[:]
}
