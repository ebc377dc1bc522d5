/**
 * Who a log is: its origin and keys, and the few settings that are fixed when it is created. They lie in `log.json`
 * and `keys/`; entry 0 says the same inside the log, under its own hash and signatures.
 */
import {
  CairnError,
  checkOrigin,
  formatVkey,
  hex,
  isCairnError,
  isSameBytes,
  isSource,
  type KeyAlgorithm,
  noteSigner,
  type NoteSigner,
  parseHex,
  parseUtf8,
  type Seal,
  type Sha256,
  signCheckpoint,
  type Signer,
  signSeal,
  utf8,
} from "@cairnlog/core";
import { generateSigner, privateKeyPem, signerFromPem } from "@cairnlog/crypto";
import type { LogReader, LogStore } from "@cairnlog/store";

const logFormat = "cairn-log/1";
/** Where a log's settings lie. */
export const logPath = "log.json";
const keyPaths = { ed25519: "keys/ed25519.pem", "ml-dsa-44": "keys/ml-dsa-44.pem" } as const;

/** Makes a signer of the content of a key file. */
export type KeyReader = (pem: string) => Signer;

/** What `log.json` holds. */
export interface LogSettings {
  readonly name: string;
  readonly origin: string;
  /** True if everybody may read the log's tiles. */
  readonly isPublic: boolean;
  /** Verifier keys: Ed25519, then ML-DSA-44. */
  readonly vkeys: readonly string[];
  /** 8 random bytes that the hashes of event ids are keyed with. */
  readonly idKey: Uint8Array;
  /** RFC 3339, UTC. */
  readonly created: string;
}

/** The log's signing keys. */
export class LogIdentity {
  readonly settings: LogSettings;
  readonly #ed25519: NoteSigner;
  readonly #mlDsa44: NoteSigner;

  constructor(settings: LogSettings, ed25519: NoteSigner, mlDsa44: NoteSigner) {
    this.settings = settings;
    this.#ed25519 = ed25519;
    this.#mlDsa44 = mlDsa44;
  }

  /** A checkpoint for receipts: Ed25519 alone, because it is made at every commit. */
  signCommit(size: number, root: Uint8Array): Promise<string> {
    return signCheckpoint([this.#ed25519], { origin: this.settings.origin, size, root });
  }

  /** A checkpoint to be published: with the signature that holds against a quantum computer as well. */
  signPublished(size: number, root: Uint8Array): Promise<string> {
    const { origin } = this.settings;
    return signCheckpoint([this.#ed25519, this.#mlDsa44], { origin, size, root });
  }

  signSeal(seal: Seal): Promise<string> {
    return signSeal([this.#ed25519, this.#mlDsa44], seal);
  }
}

export interface NewIdentity {
  readonly name: string;
  readonly origin: string;
  readonly isPublic: boolean;
  readonly created: string;
}

/** Makes keys and settings for a new log and stores them. What an interrupted creation left is used again. */
export async function createIdentity(
  store: LogStore,
  sha256: Sha256,
  identity: NewIdentity,
  randomBytes: (length: number) => Uint8Array,
  readKey: KeyReader = signerFromPem,
): Promise<LogIdentity> {
  checkOrigin(identity.origin);
  const signers: NoteSigner[] = [];
  for (const algorithm of ["ed25519", "ml-dsa-44"] as const) {
    const path = keyPaths[algorithm];
    const pem = (await firstKey(store, path)) ?? (await putKey(store, path, algorithm));
    signers.push(noteSigner(sha256, identity.origin, readKey(pem)));
  }
  const [ed25519, mlDsa44] = signers as [NoteSigner, NoteSigner];
  const vkeys = [formatVkey(ed25519.vkey), formatVkey(mlDsa44.vkey)];
  const settings = { ...identity, vkeys, idKey: randomBytes(8) };
  await store.put(logPath, formatSettings(settings));
  return new LogIdentity(settings, ed25519, mlDsa44);
}

/** Makes a key and stores it. What is used is what was made, not what reads back. */
async function putKey(store: LogStore, path: string, algorithm: KeyAlgorithm): Promise<string> {
  const pem = privateKeyPem(generateSigner(algorithm));
  await store.put(path, utf8(pem));
  return pem;
}

/**
 * The key that an interrupted creation has left, if any. Nothing says yet which key is the right one, and most damage
 * to a key file gives another key, so it is read twice: a log must not be born under a key that one bad read made up.
 */
async function firstKey(store: LogStore, path: string): Promise<string | undefined> {
  const bytes = await store.get(path);
  if (bytes === undefined) return undefined;
  const again = await store.get(path);
  if (again !== undefined && isSameBytes(bytes, again)) return parseUtf8(bytes);
  throw new CairnError(
    "unavailable",
    `${path} of the log ${store.name} reads differently each time: look at the medium, then create the log again`,
    { place: { log: store.name, path } },
  );
}

/** Reads a log's settings, and its private keys, which must be those of the settings. */
export async function readIdentity(
  store: LogStore,
  sha256: Sha256,
  readKey: KeyReader = signerFromPem,
): Promise<LogIdentity> {
  const settings = await readSettings(store);
  const { origin } = settings;
  const ed25519 = await loadKey(store, sha256, keyPaths.ed25519, origin, readKey);
  const mlDsa44 = await loadKey(store, sha256, keyPaths["ml-dsa-44"], origin, readKey);
  const found = [formatVkey(ed25519.vkey), formatVkey(mlDsa44.vkey)];
  if (found.some((vkey, i) => vkey !== settings.vkeys[i])) {
    throw new CairnError(
      "tampered",
      `the private keys of the log ${store.name} are not those that ${logPath} names; put the right key files back`,
      { place: { log: store.name, path: "keys" } },
    );
  }
  return new LogIdentity(settings, ed25519, mlDsa44);
}

/** The settings of a log, without its private keys. "not_found" where a creation was interrupted before it had any. */
export async function readSettings(store: LogReader): Promise<LogSettings> {
  const bytes = await store.get(logPath);
  if (bytes === undefined) {
    const [newest] = await store.commits();
    if (newest === undefined || newest.size === 0) throw interruptedCreation(store);
    throw new CairnError(
      "tampered",
      `the log ${store.name} has entries but has lost ${logPath}; put that file back from a copy`,
      { place: { log: store.name, path: logPath } },
    );
  }
  return parseSettings(bytes, store.name);
}

/** The error for a place where a log was begun and has no entry yet. */
export function interruptedCreation(store: LogReader): CairnError {
  return new CairnError(
    "not_found",
    `${store.location} holds no whole log: its creation was interrupted. Create it again, with the same origin`,
    { place: { log: store.name } },
  );
}

/** The bytes of `log.json`. */
export function formatSettings(settings: LogSettings): Uint8Array {
  const { name, origin, isPublic, vkeys, idKey, created } = settings;
  const members = { format: logFormat, name, origin, public: isPublic, created };
  return utf8(`${JSON.stringify({ ...members, vkeys, idKey: hex(idKey) }, undefined, 2)}\n`);
}

function parseSettings(bytes: Uint8Array, name: string): LogSettings {
  const place = { log: name, path: logPath };
  const refuse = (why: string): CairnError =>
    new CairnError("tampered", `${logPath} of the log ${name} is damaged: ${why}`, { place });
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(parseUtf8(bytes)) as Record<string, unknown>;
  } catch {
    throw refuse("it is not JSON");
  }
  const { format, origin, created, vkeys, idKey } = members;
  if (typeof format === "string" && format.startsWith("cairn-log/") && format !== logFormat) {
    throw new CairnError(
      "unsupported_version",
      `the log ${name} has the format ${JSON.stringify(format)}; this release knows ${logFormat}`,
      { place },
    );
  }
  const isKnown =
    format === logFormat &&
    typeof origin === "string" &&
    typeof created === "string" &&
    typeof idKey === "string" &&
    /^[0-9a-f]{16}$/.test(idKey) &&
    Array.isArray(vkeys) &&
    vkeys.length === 2 &&
    vkeys.every((vkey) => typeof vkey === "string");
  if (!isKnown) throw refuse("a member is missing or has another shape");
  const settings: LogSettings = {
    name,
    origin,
    created,
    isPublic: members.public === true,
    vkeys,
    idKey: parseHex(idKey),
  };
  // One spelling, as everywhere: what would be written differently was not written by us.
  if (members.name !== name && typeof members.name === "string") {
    throw refuse(`it belongs to a log named ${JSON.stringify(members.name.slice(0, 80))}`);
  }
  if (parseUtf8(formatSettings(settings)) !== parseUtf8(bytes)) throw refuse("it was edited");
  return settings;
}

async function loadKey(
  store: LogReader,
  sha256: Sha256,
  path: string,
  origin: string,
  readKey: KeyReader,
): Promise<NoteSigner> {
  const bytes = await store.get(path);
  if (bytes === undefined) {
    throw new CairnError(
      "tampered",
      `the log ${store.name} has lost its private key ${path}; put the key file back`,
      { place: { log: store.name, path } },
    );
  }
  try {
    return noteSigner(sha256, origin, readKey(parseUtf8(bytes)));
  } catch (cause) {
    if (!isCairnError(cause, "malformed")) throw cause;
    throw new CairnError(
      "tampered",
      `the private key ${path} of the log ${store.name} is damaged: ${cause.message}; put the right key file back`,
      { cause, place: { log: store.name, path } },
    );
  }
}

/** Refuses an alias that no sender can have. */
export function checkSource(source: string, systemSource: string): void {
  if (isSource(source) && source !== systemSource) return;
  throw new CairnError(
    "usage",
    `not a source: ${JSON.stringify(source.slice(0, 80))}; it is 1 to 64 of a-z 0-9 . _ / -, and not ${systemSource}`,
  );
}
