/**
 * The fixed bytes that go before raw keys to make DER of them. Keys of one algorithm all have one length, so nothing
 * needs to be encoded: RFC 8410 (Ed25519), RFC 9881 (ML-DSA, whose private key is the 32-byte seed alone).
 */
import type { KeyAlgorithm } from "@cairnlog/core";

/** SubjectPublicKeyInfo up to the raw public key. */
export const spkiPrefixes: Readonly<Record<KeyAlgorithm, Uint8Array>> = {
  // SEQUENCE 42 { SEQUENCE 5 { OID 1.3.101.112 }, BIT STRING 33 }
  ed25519: Uint8Array.from([0x30, 42, 0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70, 0x03, 33, 0]),
  // SEQUENCE 1330 { SEQUENCE 11 { OID 2.16.840.1.101.3.4.3.17 }, BIT STRING 1313 }
  "ml-dsa-44": Uint8Array.from([
    0x30, 0x82, 0x05, 0x32, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11,
    0x03, 0x82, 0x05, 0x21, 0,
  ]),
};

/** PKCS#8 PrivateKeyInfo up to the 32-byte seed. */
export const pkcs8Prefixes: Readonly<Record<KeyAlgorithm, Uint8Array>> = {
  // SEQUENCE 46 { INTEGER 0, SEQUENCE 5 { OID 1.3.101.112 }, OCTET STRING 34 { OCTET STRING 32 } }
  ed25519: Uint8Array.from([
    0x30, 46, 0x02, 1, 0, 0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70, 0x04, 34, 0x04, 32,
  ]),
  // SEQUENCE 52 { INTEGER 0, SEQUENCE 11 { OID 2.16.840.1.101.3.4.3.17 }, OCTET STRING 34 { [0] 32: the seed } }
  "ml-dsa-44": Uint8Array.from([
    0x30, 52, 0x02, 1, 0, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11,
    0x04, 34, 0x80, 32,
  ]),
};

/** `prefix` followed by `key`. */
export function derOf(prefix: Uint8Array, key: Uint8Array): Buffer {
  return Buffer.concat([prefix, key]);
}
