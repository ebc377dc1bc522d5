/**
 * Who a witness is: a name and two private keys, in `witness.json` and `keys/` of its data folder. Made at the first
 * start and never changed: whoever trusts the witness has written down its name with its keys.
 *
 * Both keys cosign, of type 0x04 (Ed25519) and of type 0x06 (ML-DSA-44). No other cosigner may use the Ed25519 key
 * under another name, because its message does not say the name (tlog-cosignature); so it is made here, not brought.
 *
 * Invariant: `witness.json` is written last. A folder without it has never announced a key.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import {
  CairnError,
  cosigner,
  formatVkey,
  isCairnError,
  parseUtf8,
  utf8,
  type KeyAlgorithm,
  type NoteSigner,
  type Signer,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto, privateKeyPem, signerFromPem } from "@cairnlog/crypto";

const format = "cairn-witness/1";
const settingsName = "witness.json";
const algorithms = ["ed25519", "ml-dsa-44"] as const satisfies readonly KeyAlgorithm[];
const keyNames = { ed25519: "keys/ed25519.pem", "ml-dsa-44": "keys/ml-dsa-44.pem" } as const;
/** What an interrupted first start may have left behind, and nothing else may be there. */
const ownNames = new Set(["LOCK", "keys"]);

/** What everybody may know of a witness. */
export interface CosignerNames {
  /** The name in its signature lines: `witness.example.com/w1`. */
  readonly name: string;
  /** Verifier keys: type 0x04, then type 0x06. */
  readonly vkeys: readonly string[];
}

export interface Cosigners extends CosignerNames {
  readonly signers: readonly NoteSigner[];
}

/** True if a witness was begun in `folder`. */
function isWitnessFolder(folder: string): boolean {
  return fs.existsSync(join(folder, settingsName));
}

/** Makes the folder, its owner's alone. "usage" where it holds something that is not a witness's. */
export function prepareFolder(folder: string): void {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (isWitnessFolder(folder)) return;
  const strange = fs.readdirSync(folder).find((name) => !ownNames.has(name));
  if (strange === undefined) return;
  if (strange === "witness.db") throw lost(folder);
  throw new CairnError(
    "usage",
    `${folder} holds ${JSON.stringify(strange)}, which is not a witness's. A witness has a folder of its own, ` +
      "better on a machine of its own: name another one",
    { place: { path: folder } },
  );
}

/**
 * The cosigners of the witness in `folder`, made there if it has none yet. The caller holds the folder's lock. A `name`
 * is needed the first time; later, another one is refused as "usage", because it would be another witness.
 */
export function openCosigners(folder: string, name: string | undefined): Cosigners {
  if (!isWitnessFolder(folder)) return createCosigners(folder, name);
  const names = readCosignerNames(folder);
  if (name !== undefined && name !== names.name) {
    throw new CairnError(
      "usage",
      `the witness in ${folder} is called ${names.name}, and cannot be renamed: another name is another witness, ` +
        "with a folder of its own",
      { place: { path: folder } },
    );
  }
  const signers = algorithms.map((algorithm) => readKey(folder, names.name, algorithm));
  if (signers.some(({ vkey }, i) => formatVkey(vkey) !== names.vkeys[i])) {
    throw new CairnError(
      "tampered",
      `the private keys in ${folder} are not those that ${settingsName} names; put the right key files back`,
      { place: { path: join(folder, "keys") } },
    );
  }
  return { ...names, signers };
}

/** Name and verifier keys, without touching a private key. "not_found" where there is no witness. */
export function readCosignerNames(folder: string): CosignerNames {
  const path = join(folder, settingsName);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (cause) {
    throw new CairnError(
      "not_found",
      `there is no witness in ${folder}: start one with \`cairn witness --data ${folder} --name <name>\``,
      { cause, place: { path } },
    );
  }
  return parseSettings(bytes, path);
}

function createCosigners(folder: string, name: string | undefined): Cosigners {
  if (name === undefined) {
    throw new CairnError(
      "usage",
      "a new witness needs a name, the same for ever: --name witness.example.com/w1",
    );
  }
  const signers = algorithms.map((algorithm): NoteSigner => {
    // The name is looked at before a key is written.
    const signer = findKey(folder, algorithm) ?? generateSigner(algorithm);
    const made = cosigner(nodeCrypto.sha256, name, signer);
    writeDurably(join(folder, keyNames[algorithm]), privateKeyPem(signer));
    return made;
  });
  const vkeys = signers.map(({ vkey }) => formatVkey(vkey));
  writeDurably(join(folder, settingsName), formatSettings({ name, vkeys }));
  return { name, vkeys, signers };
}

/** What an interrupted first start left. Nobody was told of it yet, so any key will do. */
function findKey(folder: string, algorithm: KeyAlgorithm): Signer | undefined {
  const path = join(folder, keyNames[algorithm]);
  return fs.existsSync(path) ? readPem(path, algorithm) : undefined;
}

function readKey(folder: string, name: string, algorithm: KeyAlgorithm): NoteSigner {
  return cosigner(nodeCrypto.sha256, name, readPem(join(folder, keyNames[algorithm]), algorithm));
}

function readPem(path: string, algorithm: KeyAlgorithm): Signer {
  const refuse = (why: string, cause?: unknown): CairnError =>
    new CairnError("tampered", `the private key ${path} ${why}; put the right key file back`, {
      cause,
      place: { path },
    });
  try {
    const signer = signerFromPem(parseUtf8(fs.readFileSync(path)));
    if (signer.algorithm !== algorithm) throw refuse(`is of type ${signer.algorithm}`);
    return signer;
  } catch (cause) {
    if (isCairnError(cause, "malformed")) throw refuse(`is damaged: ${cause.message}`, cause);
    if (isCairnError(cause)) throw cause;
    throw refuse("cannot be read", cause);
  }
}

function formatSettings({ name, vkeys }: CosignerNames): string {
  return `${JSON.stringify({ format, name, vkeys }, undefined, 2)}\n`;
}

function parseSettings(bytes: Uint8Array, path: string): CosignerNames {
  const refuse = (why: string): CairnError =>
    new CairnError("tampered", `${path} is damaged: ${why}; put it back from a copy`, {
      place: { path },
    });
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(parseUtf8(bytes)) as Record<string, unknown>;
  } catch {
    throw refuse("it is not JSON");
  }
  const { format: found, name, vkeys } = members;
  if (typeof found === "string" && found.startsWith("cairn-witness/") && found !== format) {
    throw new CairnError(
      "unsupported_version",
      `${path} has the format ${JSON.stringify(found.slice(0, 40))}; this release knows ${format}`,
      { place: { path } },
    );
  }
  if (typeof name !== "string" || !Array.isArray(vkeys)) throw refuse("a member is missing");
  const names: CosignerNames = { name, vkeys: vkeys.map(String) };
  // One spelling, as everywhere: what would be written differently was not written by us.
  if (formatSettings(names) !== parseUtf8(bytes)) throw refuse("it was edited");
  return names;
}

function lost(folder: string): CairnError {
  return new CairnError(
    "tampered",
    `${folder} has a witness's memory but has lost ${settingsName}; put that file back from a copy`,
    { place: { path: join(folder, settingsName) } },
  );
}

/** Writes a file that only its owner may read; it has its name once its content is durable. */
function writeDurably(path: string, text: string): void {
  const folder = dirname(path);
  const next = `${path}.next`;
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Left by a start that was killed here: nobody else writes while the folder is locked.
  fs.rmSync(next, { force: true });
  const file = fs.openSync(next, "wx", 0o600);
  try {
    fs.writeFileSync(file, utf8(text));
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(next, path);
  for (const each of [folder, dirname(folder)]) syncFolder(each);
}

function syncFolder(folder: string): void {
  let handle: number;
  try {
    handle = fs.openSync(folder, "r");
  } catch (error) {
    // Somebody else's folder, which we may pass but not open: its owner answers for it.
    if (error instanceof Error && "code" in error && error.code === "EACCES") return;
    throw error;
  }
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}
