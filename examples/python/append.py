"""Records an event over plain HTTP, and checks what comes back. Python 3.9 or later, nothing but its standard library.

    CAIRN_URL=http://127.0.0.1:7070 CAIRN_KEY=cairn_… python3 append.py

The receipt says at which place of the log the event stands, and under which checkpoint. This checks that the entry there
holds the very event, and that it is in the tree under that checkpoint's root. The checkpoint's signature is Ed25519,
which the standard library does not have: examples/go checks that too, and so does every verifier of a kept receipt.
The key needs the scopes `write` and `read`.
"""

import base64
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ["CAIRN_URL"].rstrip("/") + "/v1/logs/" + os.environ.get("CAIRN_LOG", "main")
KEY = os.environ["CAIRN_KEY"]
ATTEMPTS_MAX = 8


def request(path, body=None):
    """Asks the log. What passes is tried again: with the same event id that is always safe."""
    headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}
    for attempt in range(ATTEMPTS_MAX):
        try:
            asked = urllib.request.Request(URL + path, data=body, headers=headers)
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            problem = error.read().decode("utf-8", "replace")
            if error.code not in (429, 503) or attempt == ATTEMPTS_MAX - 1:
                raise SystemExit(f"the log refused: {problem}") from error
            time.sleep(int(error.headers.get("Retry-After", "1")))
        except urllib.error.URLError:
            if attempt == ATTEMPTS_MAX - 1:
                raise
            time.sleep(2**attempt / 10)


def root_of(leaf, seq, size, proof):
    """The root that an inclusion proof comes to (RFC 9162, section 2.1.3.2)."""
    node, index, last = leaf, seq, size - 1
    for sibling in proof:
        assert last > 0, "the proof is longer than the tree is high"
        if index % 2 == 1 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while index % 2 == 0 and index > 0:
                index, last = index // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index, last = index // 2, last // 2
    assert last == 0, "the proof is shorter than the tree is high"
    return node


def check(event, receipt):
    seq = receipt["seq"]
    entry = request(f"/events/{seq}")
    assert json.loads(entry)["event"] == event, "the entry holds another event"
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    assert leaf == base64.b64decode(receipt["leafHash"]), "the entry has another hash"
    origin, size, root = receipt["checkpoint"].split("\n")[:3]
    assert origin == receipt["origin"], "the checkpoint is of another log"
    proof = [base64.b64decode(each) for each in receipt["proof"]]
    assert root_of(leaf, seq, int(size), proof) == base64.b64decode(root), "it is not in the tree"


event = {
    # Ours to choose: whoever sends the same event again gets the first receipt again.
    "id": str(uuid.uuid4()),
    "type": "change.role.grant",
    "actor": {"id": "alice@example.com", "type": "user"},
    "action": "grant",
    "targets": [{"type": "role", "id": "billing-admin"}],
    "outcome": "success",
}
receipt = json.loads(request("/events", json.dumps(event).encode()))
check(event, receipt)
print(f"recorded as entry {receipt['seq']} of {receipt['origin']}")
