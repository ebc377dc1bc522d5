/**
 * API keys as the server uses them: who is asking? A change of the file is noticed without a
 * restart: each second, and at once when a key is unknown.
 *
 * Nothing is cached by token: finding the key by its id and hashing the secret costs about a
 * microsecond, and no secret stays in memory. A file that cannot be read refuses everybody rather
 * than trusting keys of the past.
 */
import { hash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { CairnError, parseLogTime } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";
import { parseKeyFile, type ApiKey, type Scope } from "./api-key-file.ts";

/** A key as it was found to be good. */
export interface Principal {
  readonly id: string;
  readonly source: string;
  readonly scopes: ReadonlySet<Scope>;
  /** True if the key is for all logs, also those that come later. */
  readonly coversAll: boolean;
  /** True if the key's logs include this one. */
  covers(log: string): boolean;
}

/** Where the server gets its keys from. */
export interface KeySource {
  /**
   * Throws "unauthenticated" unless the value of an Authorization header has a key that holds now.
   */
  authenticate(header: string | undefined): Principal;
}

interface HeldKey extends Principal {
  /** 32 latin1 characters. */
  readonly secretHash: string;
  readonly expiresMs: number;
}

const checkEveryMs = 1000;
const credentials = /^[Bb]earer +cairn_([a-z0-9]{4,32})_([A-Za-z0-9_-]{43})$/;

/** Reads keys from the file at `path`, which need not exist yet. */
export function keyRing(path: string, clock: Pick<Clock, "now" | "monotonic">): KeySource {
  return new KeyRing(path, clock);
}

class KeyRing implements KeySource {
  readonly #path: string;
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  #keys = new Map<string, HeldKey>();
  #seen: string | undefined;
  #nextCheck = -Infinity;

  constructor(path: string, clock: Pick<Clock, "now" | "monotonic">) {
    this.#path = path;
    this.#clock = clock;
  }

  authenticate(header: string | undefined): Principal {
    if (header === undefined) throw unauthenticated("the request has no Authorization header");
    const parts = credentials.exec(header);
    if (parts === null) {
      throw unauthenticated("the Authorization header is not `Bearer cairn_<id>_<secret>`");
    }
    const [, id, secret] = parts;
    if (this.#clock.monotonic() >= this.#nextCheck) this.#refresh();
    const key = this.#keys.get(id!) ?? this.#findAnew(id!);
    // As 32 latin1 characters, which takes half as long as to get a Buffer and to compare that.
    const given = hash("sha256", secret!, "binary");
    // One message for both, so that ids cannot be told from guesses.
    if (key === undefined || !isSame(given, key.secretHash)) {
      throw unauthenticated("the API key is unknown or was revoked");
    }
    if (this.#clock.now() >= key.expiresMs) throw unauthenticated("the API key has expired");
    return key;
  }

  #findAnew(id: string): HeldKey | undefined {
    this.#refresh();
    return this.#keys.get(id);
  }

  #refresh(): void {
    try {
      const stat = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
      const seen = stat === undefined ? "none" : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
      if (seen !== this.#seen) {
        // The file is replaced, never changed in place: what is read is not older than what was
        // seen.
        const text = stat === undefined ? undefined : readFileSync(this.#path, "utf8");
        const keys = text === undefined ? [] : parseKeyFile(text, "api-keys.json");
        this.#keys = new Map(keys.map((key) => [key.id, holdKey(key)]));
        this.#seen = seen;
      }
    } catch (cause) {
      this.#keys.clear();
      this.#seen = undefined;
      throw new CairnError("unavailable", "the server cannot read its API keys", { cause });
    }
    this.#nextCheck = this.#clock.monotonic() + checkEveryMs;
  }
}

function holdKey(key: ApiKey): HeldKey {
  const logs = new Set(key.logs);
  const coversAll = logs.has("*");
  return {
    id: key.id,
    source: key.source,
    scopes: new Set(key.scopes),
    secretHash: Buffer.from(key.secretHash, "hex").toString("latin1"),
    expiresMs: key.expires === undefined ? Infinity : parseLogTime(key.expires),
    coversAll,
    covers: (log) => coversAll || logs.has(log),
  };
}

/** Looks at all characters, whichever differ. */
function isSame(a: string, b: string): boolean {
  let differing = a.length === b.length ? 0 : 1;
  for (let i = 0; i < a.length; i++) differing += a.charCodeAt(i) === b.charCodeAt(i) ? 0 : 1;
  return differing === 0;
}

function unauthenticated(message: string): CairnError {
  return new CairnError("unauthenticated", message);
}
