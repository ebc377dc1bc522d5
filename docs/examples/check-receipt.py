#!/usr/bin/env python3
"""Checks a Cairn receipt alone: nothing of Cairn's code, nothing but Python 3.8 and the openssl command (3.0).

    check-receipt.py receipt.json entry.json VKEY

The receipt is what the log answered to the writer, the entry what it returns for that seq, VKEY the log's Ed25519
verifier key, which has to come from somebody else than the server. Exit status 0: the log of VKEY has promised, under
its signature, that exactly this entry is in it at this place.
"""
import base64, hashlib, json, os, subprocess, sys, tempfile


def need(condition, otherwise):
    if not condition:
        raise ValueError(otherwise)


def b64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def ed25519_verifies(public_key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        def put(name, data):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            return path
        key = put("key", bytes.fromhex("302a300506032b6570032100") + public_key)  # RFC 8410
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin"]
        command += ["-in", put("message", message), "-sigfile", put("signature", signature)]
        return subprocess.run(command, capture_output=True).returncode == 0


def check(receipt, entry, vkey):
    # The verifier key: <origin>+<key ID>+<base64 of type and key>. The ID follows from the rest.
    origin, key_id, key = vkey.split("+", 2)
    key = b64(key)
    need(key[0] == 1 and len(key) == 33, "not an Ed25519 verifier key")
    need(sha256(origin.encode(), b"\n", key)[:4].hex() == key_id, "the verifier key is damaged")

    # The checkpoint: three lines, an empty one, signature lines "— <name> <base64 of ID and signature>".
    text, signatures = receipt["checkpoint"].rsplit("\n\n", 1)
    text += "\n"
    named, size, root = text.split("\n")[:-1]
    need(named == origin == receipt["origin"], "another log")
    need(str(int(size)) == size, "a size in another spelling")
    signed = [b64(line.split(" ")[2]) for line in signatures.split("\n") if line.startswith("— " + origin + " ")]
    ours = [signature[4:] for signature in signed if signature[:4].hex() == key_id]
    need(ours and all(ed25519_verifies(key[1:], text.encode(), each) for each in ours), "the signature is wrong")

    # The entry: its leaf hash, then the way up to the root (RFC 9162 section 2.1.3.2).
    hash, node, last = sha256(b"\0", entry), receipt["seq"], int(size) - 1
    need(b64(receipt["leafHash"]) == hash, "the receipt is for another entry")
    need(0 <= node <= last, "the checkpoint does not cover the entry")
    for sibling in map(b64, receipt["proof"]):
        need(last > 0, "the proof is too long")
        while node % 2 == 0 and node == last:
            node, last = node // 2, last // 2
        hash = sha256(b"\1", sibling, hash) if node % 2 == 1 else sha256(b"\1", hash, sibling)
        node, last = node // 2, last // 2
    while last > 0 and node % 2 == 0 and node == last:
        node, last = node // 2, last // 2
    need(last == 0, "the proof is too short")
    need(hash == b64(root), "the proof does not lead to the checkpoint's root")
    need(json.loads(entry)["seq"] == receipt["seq"], "the entry says another seq")
    return f"entry {receipt['seq']} is in {origin}, under its checkpoint of size {size}"


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as receipt, open(sys.argv[2], "rb") as entry:
        try:
            print("good:", check(json.load(receipt), entry.read(), sys.argv[3]))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            sys.exit(f"NOT VERIFIED: {error}")
