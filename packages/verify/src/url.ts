/**
 * Verifies a log over HTTP, by the C2SP tile API alone: its checkpoint, every entry, every tile of its tree. Any log
 * that serves tlog-tiles can be hashed; of a log of ours the chain, the order and each entry's spelling are checked
 * too.
 *
 * The server is not trusted with anything: what it sends is bounded, hashed and compared. What it does not send is
 * the problem that the report names.
 */
import {
  CairnError,
  isCairnError,
  noteBytesMax,
  parseCheckpoint,
  parseNote,
  parseUtf8,
  tilePath,
  tileWidth,
  verifyCheckpointSignatures,
  type Checkpoint,
  type Crypto,
  type Note,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { Fetcher, type FetcherOptions } from "./fetching.ts";
import { checkAllSigned, parseOwnKeys } from "./keys.ts";
import { LogVerification } from "./log-verification.ts";
import { NamedBlobs } from "./named-blobs.ts";
import { checkRemoteBlobs } from "./remote-blobs.ts";
import type { Report } from "./report.ts";
import { parseGenesis } from "./settings.ts";
import { TileWalk } from "./tile-walk.ts";
import { checkWitnesses, trustedKeys, type TrustOptions } from "./trust.ts";

export interface UrlOptions extends FetcherOptions, TrustOptions {
  /** A checkpoint from outside (a signed note): the log must be an extension of what it names. */
  readonly checkpoint?: string;
  /** Requests at a time; default 8. */
  readonly parallel?: number;
  readonly onProgress?: (progress: {
    readonly target: string;
    readonly entriesDone: number;
    readonly entriesTotal: number;
  }) => void;
  readonly crypto?: Crypto;
}

const parallelDefault = 8;

/**
 * Verifies the log whose tiles lie under `url` (`https://host/logs/main/`). Rejects where it never began: "not_found",
 * "unauthenticated", "forbidden", "unavailable" for the checkpoint itself.
 */
export async function verifyUrl(url: string, options: UrlOptions = {}): Promise<Report> {
  const { crypto = nodeCrypto } = options;
  const base = baseOf(url);
  const pinned = trustedKeys(crypto, options);
  const fetcher = new Fetcher(base, options);
  const bytes = await fetcher.get("checkpoint", noteBytesMax);
  return new UrlCheck(base, fetcher, crypto, pinned, options).run(bytes);
}

function baseOf(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new CairnError("usage", `not an address: ${JSON.stringify(url.slice(0, 200))}`, {
      cause,
    });
  }
  const isPlain = parsed.search === "" && parsed.hash === "" && parsed.username === "";
  if (!["http:", "https:"].includes(parsed.protocol) || !isPlain) {
    throw new CairnError("usage", "give the http(s) address that a log's `checkpoint` lies under");
  }
  return parsed.href.replace(/\/checkpoint$/, "").replace(/\/*$/, "/");
}

class UrlCheck extends LogVerification {
  readonly #fetcher: Fetcher;
  readonly #options: UrlOptions;

  constructor(
    base: string,
    fetcher: Fetcher,
    crypto: Crypto,
    pinned: readonly Vkey[],
    options: UrlOptions,
  ) {
    super("log address", base, crypto, pinned);
    this.#fetcher = fetcher;
    this.#options = options;
  }

  async run(bytes: Uint8Array): Promise<Report> {
    const findings = this.findings;
    const place = { path: "checkpoint" };
    let walk: TileWalk | undefined;
    let checkpoint: Checkpoint | undefined;
    try {
      const note = parseNote(bytes);
      checkpoint = parseCheckpoint(note.text, { allowExtensions: true });
      await this.#checkSigner(note, checkpoint);
      this.witnesses = await checkWitnesses(this.crypto, bytes, this.#options, findings, place);
      walk = await this.#walk(checkpoint);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      findings.caught(error, "checkpoint", error.place.path === undefined ? place : error.place);
    }
    return this.#report(bytes, checkpoint, walk);
  }

  /** Who signed: the given keys, or those that entry 0 names. */
  async #checkSigner(note: Note, checkpoint: Checkpoint): Promise<void> {
    const { origin, size } = checkpoint;
    if (this.pinned.length > 0) {
      this.own = this.pinned.filter((vkey) => vkey.name === origin);
      if (this.own.length === 0) {
        throw new CairnError(
          "unverified",
          `the log's origin is ${JSON.stringify(origin.slice(0, 300))}, and none of the given keys is of it`,
        );
      }
      const signed = await verifyCheckpointSignatures(this.crypto, note, checkpoint, this.own);
      checkAllSigned(this.own, signed, "the checkpoint");
      return;
    }
    if (size === 0) {
      throw new CairnError("unverified", "an empty log names no keys: give them");
    }
    const genesis = parseGenesis(await this.#entryZero(size));
    if (genesis.origin !== origin) {
      throw new CairnError("unverified", "entry 0 names another origin than the checkpoint");
    }
    this.own = parseOwnKeys(this.crypto, genesis.vkeys, origin, this.findings, { seq: 0 });
    const verified = await verifyCheckpointSignatures(this.crypto, note, checkpoint, this.own);
    checkAllSigned(this.own, verified, "the checkpoint");
  }

  /** Entry 0, which is verified with all the others later. */
  async #entryZero(size: number): Promise<Uint8Array> {
    const width = tileWidth("entries", 0, size);
    const path = tilePath({ level: "entries", index: 0, width });
    const bundle = await this.#fetcher.get(path, TileWalk.bundleByteLengthMax);
    const end = 2 + (bundle[0] ?? 0) * 256 + (bundle[1] ?? 0);
    return bundle.slice(2, end);
  }

  async #walk(checkpoint: Checkpoint): Promise<TileWalk> {
    const { size, root } = checkpoint;
    const { claims, crypto, findings, target } = this;
    const place = { path: "checkpoint" };
    claims.add({ size, root, what: "the checkpoint", code: "checkpoint", place });
    const { checkpoint: given } = this.#options;
    await this.claimGiven(given, checkpoint.origin, (beyond, what) => {
      if (beyond <= size) return false;
      const message = `the log shows ${size} entries, and ${what} says ${beyond}: an older state is shown`;
      findings.problem("rollback", message, { seq: size });
      return true;
    });
    const { onProgress, signal } = this.#options;
    const named = new NamedBlobs();
    const walk = new TileWalk({
      fetcher: this.#fetcher,
      crypto,
      findings,
      claims,
      size,
      parallel: this.#options.parallel ?? parallelDefault,
      signal,
      onBlob: named.take,
      onEntries: (entriesDone) => onProgress?.({ target, entriesDone, entriesTotal: size }),
    });
    await walk.run();
    await checkRemoteBlobs(named.all(), target, this.#options, findings);
    return walk;
  }

  #report(
    bytes: Uint8Array,
    checkpoint: Checkpoint | undefined,
    walk: TileWalk | undefined,
  ): Report {
    return this.report({
      origin: checkpoint?.origin,
      newest: checkpoint,
      published: checkpoint && { note: parseUtf8(bytes), size: checkpoint.size },
      firstTime: walk?.firstTime,
      lastTime: walk?.lastTime,
      entriesChecked: walk?.entries ?? 0,
      filesChecked: walk?.files ?? 1,
    });
  }
}
