package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type report struct {
	size        int64
	root        tlog.Hash
	entries     int64
	tiles       int
	bundles     int
	consistency string
}

func verifyLog(api *tileAPI, verifier note.Verifier, state string) (*report, error) {
	signed, err := api.get("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	r := &report{size: tree.N, root: tree.Hash}
	if tree.N == 0 {
		if tree.Hash != sha256.Sum256(nil) {
			return nil, errors.New("checkpoint: the root of an empty log is the hash of nothing")
		}
	} else if err := verifyTree(api, tree, r); err != nil {
		return nil, err
	}
	if r.consistency, err = verifyGrowth(api, verifier, tree, state); err != nil {
		return nil, err
	}
	r.tiles = api.tiles
	if state != "" {
		// Only what was verified is remembered.
		if err := os.WriteFile(state, signed, 0o600); err != nil {
			return nil, &unreachableError{err}
		}
	}
	return r, nil
}

// openCheckpoint verifies a checkpoint's signature and reads its three lines,
// each in its only spelling. Signatures of other keys are passed over.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("it is not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("not a tree size: %.40q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return tlog.Tree{}, fmt.Errorf("not a root: %.80q", lines[2])
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// verifyTree verifies all tiles and all entries of a tree that is not empty.
func verifyTree(api *tileAPI, tree tlog.Tree, r *report) error {
	reader := tlog.TileHashReader(tree, api)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	if root != tree.Hash {
		return errors.New("tiles: they have another root than the checkpoint")
	}
	var edge rightEdge
	var prev tlog.Hash
	for first := int64(0); first < tree.N; first += 1 << tileHeight {
		t := tlog.Tile{H: tileHeight, L: 0, N: first >> tileHeight, W: int(min(1<<tileHeight, tree.N-first))}
		hashes, err := readBundleHashes(reader, t, tree.N)
		if err != nil {
			return fmt.Errorf("%s: %w", tilePath(t), err)
		}
		bundle, err := api.get(bundlePath(t))
		if err != nil {
			return err
		}
		entries, err := cutBundle(bundle, t.W)
		if err != nil {
			return fmt.Errorf("%s: %w", bundlePath(t), err)
		}
		for i, entry := range entries {
			seq := first + int64(i)
			if prev, err = verifyEntry(tree, hashes, seq, prev, entry); err != nil {
				return fmt.Errorf("entry %d in %s: %w", seq, bundlePath(t), err)
			}
			edge.add(prev)
			r.entries++
		}
		r.bundles++
		api.forget(t)
	}
	if edge.root() != tree.Hash {
		return errors.New("the entries have another root than the checkpoint")
	}
	return nil
}

// verifyEntry checks one entry against the tree and against the entry before it;
// returns its leaf hash.
func verifyEntry(tree tlog.Tree, hashes tlog.HashReader, seq int64, prev tlog.Hash, entry []byte) (tlog.Hash, error) {
	leaf := tlog.RecordHash(entry)
	head := fmt.Sprintf(`{"seq":%d,"prev":"%s",`, seq, base64.StdEncoding.EncodeToString(prev[:]))
	if !bytes.HasPrefix(entry, []byte(head)) {
		return leaf, errors.New("it does not continue the hash chain")
	}
	stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, seq)})
	if err != nil {
		return leaf, err
	}
	if leaf != stored[0] {
		return leaf, fmt.Errorf("its hash is %s, the tile has %s", leaf, stored[0])
	}
	proof, err := tlog.ProveRecord(tree.N, seq, hashes)
	if err != nil {
		return leaf, err
	}
	return leaf, tlog.CheckRecord(proof, tree.N, tree.Hash, seq, leaf)
}

// readBundleHashes reads, authenticated and at once, every node below a level-0
// tile; all else that a proof needs is asked of the tiles when it is needed, and
// kept: it is the same for the whole bundle.
func readBundleHashes(reader tlog.HashReader, t tlog.Tile, size int64) (tlog.HashReader, error) {
	var indexes []int64
	for level := 0; level <= tileHeight; level++ {
		width := int64(1) << level
		for begin := t.N << tileHeight; begin+width <= min((t.N+1)<<tileHeight, size); begin += width {
			indexes = append(indexes, tlog.StoredHashIndex(level, begin>>level))
		}
	}
	hashes, err := reader.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]tlog.Hash, 2*len(indexes))
	for i, index := range indexes {
		known[index] = hashes[i]
	}
	return tlog.HashReaderFunc(func(wanted []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(wanted))
		for i, index := range wanted {
			if _, ok := known[index]; !ok {
				one, err := reader.ReadHashes([]int64{index})
				if err != nil {
					return nil, err
				}
				known[index] = one[0]
			}
			found[i] = known[index]
		}
		return found, nil
	}), nil
}

// verifyGrowth verifies that the tree begins with the one that was verified the
// last time.
func verifyGrowth(api *tileAPI, verifier note.Verifier, tree tlog.Tree, state string) (string, error) {
	if state == "" {
		return "not asked for (-state)", nil
	}
	signed, err := os.ReadFile(state)
	if errors.Is(err, fs.ErrNotExist) {
		return "nothing to compare with yet", nil
	}
	if err != nil {
		return "", &unreachableError{err}
	}
	older, err := openCheckpoint(signed, verifier)
	if err != nil {
		return "", fmt.Errorf("%s: %w", state, err)
	}
	if older.N > tree.N {
		return "", fmt.Errorf("the log was rolled back: it had %d entries, and has %d", older.N, tree.N)
	}
	if older.N == tree.N {
		if older.Hash != tree.Hash {
			return "", fmt.Errorf("the log was changed: it had another root at size %d", older.N)
		}
		return fmt.Sprintf("nothing new since size %d", older.N), nil
	}
	if older.N > 0 {
		proof, err := tlog.ProveTree(tree.N, older.N, tlog.TileHashReader(tree, api))
		if err != nil {
			return "", fmt.Errorf("consistency with size %d: %w", older.N, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
			return "", fmt.Errorf("the log was changed: it does not continue the one of size %d: %w", older.N, err)
		}
	}
	return fmt.Sprintf("continues the log of size %d", older.N), nil
}

// A rightEdge folds leaf hashes into a root without any tile.
type rightEdge struct {
	size  int64
	peaks []tlog.Hash
}

func (e *rightEdge) add(leaf tlog.Hash) {
	for size := e.size; size&1 == 1; size >>= 1 {
		last := len(e.peaks) - 1
		leaf = tlog.NodeHash(e.peaks[last], leaf)
		e.peaks = e.peaks[:last]
	}
	e.peaks = append(e.peaks, leaf)
	e.size++
}

func (e *rightEdge) root() tlog.Hash {
	last := len(e.peaks) - 1
	root := e.peaks[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(e.peaks[i], root)
	}
	return root
}
