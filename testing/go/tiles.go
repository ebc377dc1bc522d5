package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is fixed by C2SP tlog-tiles: 256 hashes in a full tile.
const tileHeight = 8

// No answer is longer than a full bundle of entries of the largest size.
const answerBytesMax = 256 * (2 + 0xffff)

// An unreachableError says that the log did not answer with what was asked for:
// nothing is proven, for or against it.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// A tileAPI reads a log over HTTP, and is the TileReader of one tree of it.
// Nothing that it returns is trusted by the caller.
type tileAPI struct {
	url string
	key string

	// Tiles that tlog has authenticated. Level 0 is dropped now and then: the
	// levels above it have a 256th of the bytes and are needed again and again.
	verified map[tlog.Tile][]byte
	// Number of distinct tiles that were authenticated.
	tiles int
}

func (a *tileAPI) get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", a.url+"/"+path, nil)
	if err != nil {
		return nil, &unreachableError{err}
	}
	if a.key != "" {
		request.Header.Set("Authorization", "Bearer "+a.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, &unreachableError{err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax+1))
	if err != nil {
		return nil, &unreachableError{err}
	}
	if response.StatusCode != http.StatusOK {
		return nil, &unreachableError{fmt.Errorf("%s: %s: %.300q", path, response.Status, body)}
	}
	if len(body) > answerBytesMax {
		return nil, fmt.Errorf("%s: the answer is too long", path)
	}
	return body, nil
}

// tilePath is the C2SP path of a tile. That of sumdb has the height before the
// level: tile/8/0/x001/234.p/5 there is tile/0/x001/234.p/5 here.
func tilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
}

// bundlePath is the C2SP path of the entries below a level-0 tile.
func bundlePath(t tlog.Tile) string {
	return "tile/entries/" + strings.TrimPrefix(tilePath(t), "tile/0/")
}

func (a *tileAPI) Height() int { return tileHeight }

func (a *tileAPI) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		if known, ok := a.verified[t]; ok {
			data[i] = known
			continue
		}
		path := tilePath(t)
		bytes, err := a.get(path)
		if err != nil {
			return nil, err
		}
		if len(bytes) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes, not %d", path, len(bytes), t.W*tlog.HashSize)
		}
		data[i] = bytes
	}
	return data, nil
}

func (a *tileAPI) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	if a.verified == nil {
		a.verified = make(map[tlog.Tile][]byte)
	}
	for i, t := range tiles {
		if _, ok := a.verified[t]; !ok {
			a.verified[t] = data[i]
			a.tiles++
		}
	}
}

// forget drops a level-0 tile whose entries have been verified. The partial one
// at the right edge is part of every proof.
func (a *tileAPI) forget(t tlog.Tile) {
	if t.W == 1<<tileHeight {
		delete(a.verified, t)
	}
}

// cutBundle cuts a bundle into its entries: each is a length of two bytes, most
// significant first, and that many bytes.
func cutBundle(bundle []byte, count int) ([][]byte, error) {
	entries := make([][]byte, 0, count)
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("it ends within a length")
		}
		length := int(bundle[0])<<8 | int(bundle[1])
		if len(bundle) < 2+length {
			return nil, errors.New("it ends within an entry")
		}
		entries = append(entries, bundle[2:2+length])
		bundle = bundle[2+length:]
	}
	if len(entries) != count {
		return nil, fmt.Errorf("it has %d entries, not %d", len(entries), count)
	}
	return entries, nil
}
