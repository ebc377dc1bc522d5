/**
 * API keys at rest: who may do what, in `<data>/api-keys.json`.
 *
 *     {"format":"cairn-api-keys/1","keys":[{"id":"…","source":"api","secretHash":"<hex>",
 *       "logs":["*"],"scopes":["write"],"created":"…","expires":"…","description":"…"}]}
 *
 * A token is `cairn_<id>_<secret>`; the secret is 32 random bytes in base64url. Only its SHA-256 is
 * stored. A slow password hash would protect nothing here: it makes guessing a weak secret costly,
 * and 256 random bits cannot be guessed at any speed.
 */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { CairnError } from "@cairnlog/core";
import { formatKeyFile, parseKeyFile, type ApiKey, type Scope } from "./api-key-file.ts";
import type { Quota } from "./sources/source-file.ts";
import { readWhole, replaceWhole } from "./replaced-file.ts";

export { scopes, type ApiKey, type Scope } from "./api-key-file.ts";

export interface NewApiKey {
  /** The alias under which logs record what this key sends. */
  readonly source: string;
  /** Names of logs, or `["*"]` for all, also those that come later. */
  readonly logs: readonly string[];
  readonly scopes: readonly Scope[];
  /** RFC 3339, UTC, with milliseconds. */
  readonly expires?: string;
  readonly description?: string;
  /** See `ApiKey`. */
  readonly silentAfterMs?: number;
  readonly quota?: Quota;
}

export interface CreatedApiKey {
  readonly key: ApiKey;
  /** Shown once: it cannot be found again. */
  readonly token: string;
}

const fileName = "api-keys.json";
const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
const idLength = 10;

export function apiKeysPath(dataFolder: string): string {
  return join(dataFolder, fileName);
}

/** Adds a key. "usage" if something about it is not allowed. */
export function createKey(
  dataFolder: string,
  wanted: NewApiKey,
  nowMs = Date.now(),
): CreatedApiKey {
  const secret = randomBytes(32).toString("base64url");
  const key: ApiKey = {
    id: newId(),
    source: wanted.source,
    secretHash: hashSecret(secret).toString("hex"),
    logs: [...wanted.logs],
    scopes: [...wanted.scopes],
    created: new Date(nowMs).toISOString(),
    ...(wanted.expires === undefined ? {} : { expires: wanted.expires }),
    ...(wanted.description === undefined ? {} : { description: wanted.description }),
    ...(wanted.silentAfterMs === undefined ? {} : { silentAfterMs: wanted.silentAfterMs }),
    ...(wanted.quota === undefined ? {} : { quota: wanted.quota }),
  };
  // What could not be read back must not be written.
  try {
    parseKeyFile(formatKeyFile([key]), fileName);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    throw new CairnError("usage", `the key cannot be made: ${why}`, { cause });
  }
  updateKeys(dataFolder, (keys) => [...keys, key]);
  return { key, token: `cairn_${key.id}_${secret}` };
}

/** The keys, oldest first; none where there is no file. */
export function listKeys(dataFolder: string): ApiKey[] {
  const text = readWhole(apiKeysPath(dataFolder));
  return text === undefined ? [] : parseKeyFile(text, fileName);
}

/** Removes a key; returns what it was. "not_found". A running server notices within a second. */
export function revokeKey(dataFolder: string, id: string): ApiKey {
  let revoked: ApiKey | undefined;
  updateKeys(dataFolder, (keys) => {
    revoked = keys.find((key) => key.id === id);
    if (revoked === undefined) {
      throw new CairnError("not_found", `there is no API key ${JSON.stringify(id.slice(0, 80))}`);
    }
    return keys.filter((key) => key.id !== id);
  });
  return revoked!;
}

/** SHA-256 of the secret's text. */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function newId(): string {
  let id = "";
  for (const byte of randomBytes(idLength)) id += idAlphabet[byte % idAlphabet.length]!;
  return id;
}

function updateKeys(dataFolder: string, change: (keys: ApiKey[]) => ApiKey[]): void {
  replaceWhole(apiKeysPath(dataFolder), "the API keys", (text) =>
    formatKeyFile(change(text === undefined ? [] : parseKeyFile(text, fileName))),
  );
}
