/**
 * API keys as the server uses them: who is asking? A change of the file is noticed without a
 * restart: each second, and at once when a key is unknown.
 *
 * Nothing is cached by token: finding the key by its id and hashing the secret costs about a
 * microsecond, and no secret stays in memory.
 */
import { hash } from "node:crypto";
import { CairnError, parseLogTime } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";
import { parseKeyFile, type ApiKey, type Scope } from "./api-key-file.ts";
import type { Quota } from "./sources/source-file.ts";
import { WatchedFile } from "./watched-file.ts";

/** A key as it was found to be good. */
export interface Principal {
  readonly id: string;
  readonly source: string;
  readonly scopes: ReadonlySet<Scope>;
  /** True if the key is for all logs, also those that come later. */
  readonly coversAll: boolean;
  /** What it may send; no bound where it has none. */
  readonly quota?: Quota | undefined;
  /** True if the key's logs include this one. */
  covers(log: string): boolean;
}

/** Where the server gets its keys from. */
export interface KeySource {
  /**
   * Throws "unauthenticated" unless the value of an Authorization header has a key that holds now.
   */
  authenticate(header: string | undefined): Principal;
  /** How long each source may be silent in this log, in milliseconds, where that was agreed. */
  silences?(log: string): Iterable<readonly [source: string, silentAfterMs: number]>;
}

interface HeldKey extends Principal {
  /** 32 latin1 characters. */
  readonly secretHash: string;
  readonly expiresMs: number;
  readonly silentAfterMs: number | undefined;
}

const credentials = /^[Bb]earer +cairn_([a-z0-9]{4,32})_([A-Za-z0-9_-]{43})$/;

/** Reads keys from the file at `path`, which need not exist yet. */
export function keyRing(path: string, clock: Pick<Clock, "now" | "monotonic">): KeySource {
  return new KeyRing(path, clock);
}

class KeyRing implements KeySource {
  readonly #clock: Pick<Clock, "now">;
  readonly #file: WatchedFile<ReadonlyMap<string, HeldKey>>;

  constructor(path: string, clock: Pick<Clock, "now" | "monotonic">) {
    this.#clock = clock;
    this.#file = new WatchedFile(path, "its API keys", clock, (text) => {
      const keys = text === undefined ? [] : parseKeyFile(text, "api-keys.json");
      return new Map(keys.map((key) => [key.id, holdKey(key)]));
    });
  }

  authenticate(header: string | undefined): Principal {
    if (header === undefined) throw unauthenticated("the request has no Authorization header");
    const parts = credentials.exec(header);
    if (parts === null) {
      throw unauthenticated("the Authorization header is not `Bearer cairn_<id>_<secret>`");
    }
    const [, id, secret] = parts;
    const key = this.#file.get().get(id!) ?? this.#file.getNow().get(id!);
    // As 32 latin1 characters, which takes half as long as to get a Buffer and to compare that.
    const given = hash("sha256", secret!, "binary");
    // One message for both, so that ids cannot be told from guesses.
    if (key === undefined || !isSame(given, key.secretHash)) {
      throw unauthenticated("the API key is unknown or was revoked");
    }
    if (this.#clock.now() >= key.expiresMs) throw unauthenticated("the API key has expired");
    return key;
  }

  *silences(log: string): Generator<readonly [string, number]> {
    const nowMs = this.#clock.now();
    for (const key of this.#file.get().values()) {
      const { source, silentAfterMs, expiresMs } = key;
      if (silentAfterMs !== undefined && key.covers(log) && nowMs < expiresMs)
        yield [source, silentAfterMs];
    }
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
    silentAfterMs: key.silentAfterMs,
    quota: key.quota,
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
