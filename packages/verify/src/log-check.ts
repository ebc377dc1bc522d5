/** Verifies one log's folder, from its settings to its last byte. `docs/spec/files.md` says what must be where. */
import {
  base64,
  CairnError,
  genesisPrev,
  noteBytesMax,
  parseUtf8,
  RightEdge,
  verifyCheckpoint,
  type Crypto,
  type Vkey,
} from "@cairnlog/core";
import { idSidecarPath, sealedPath, segmentEntries, tailPath, type Commit } from "@cairnlog/store";
import { byteOfSlot, judgeSuspect, readRing, ringPath } from "./commit-ring.ts";
import type { DirectoryOptions } from "./directory.ts";
import type { FolderListing, LogFolder } from "./folder.ts";
import { identify, noIdentity, type Identity } from "./identity.ts";
import { checkAllSigned, checkPinned, checkPrivateKeys, reportKeys } from "./keys.ts";
import { checkpointPath, layoutOf, type Layout } from "./layout.ts";
import { LogVerification } from "./log-verification.ts";
import { checkBlobs, NamedBlobs } from "./named-blobs.ts";
import { Findings, type Report } from "./report.ts";
import { RootClaims } from "./root-claims.ts";
import { appendSealed, type ChainContext } from "./sealed-chain.ts";
import type { SegmentJob } from "./segment-job.ts";
import { checkSegments, type SegmentResult } from "./segment-pool.ts";
import { checkStreamFiles } from "./stream-files.ts";
import { checkTail, checkUnusedTail, type Position, type Rest, type TailContext } from "./tail.ts";
import { checkWitnesses } from "./trust.ts";
import { UpperTiles } from "./upper-tiles.ts";

/** Without a published checkpoint, a log of more entries than this has lost it. */
const unpublishedSizeMax = 1;

export class LogCheck extends LogVerification {
  readonly #folder: LogFolder;
  readonly #options: DirectoryOptions;
  #identity: Identity = noIdentity;
  #published: { readonly note: string; readonly size: number } | undefined;
  #firstTime: string | undefined;
  #entries = 0;
  readonly #named = new NamedBlobs();

  constructor(
    folder: LogFolder,
    crypto: Crypto,
    pinned: readonly Vkey[],
    options: DirectoryOptions,
  ) {
    super("log folder", folder.location, crypto, pinned);
    this.#folder = folder;
    this.#options = options;
  }

  /** `known`: the folder's listing, where somebody has just made it. */
  async run(known?: FolderListing): Promise<Report> {
    const findings = this.findings;
    // This order, for a log that grows meanwhile: a file that is there now is covered by the commit that is read later.
    const listing = known ?? (await this.#folder.list());
    const layout = layoutOf(listing, findings);
    const note = await this.#small(checkpointPath, noteBytesMax);
    const ring = await readRing(this.#folder, findings);
    const { newest } = ring;
    this.#identity = await identify(this.#folder, listing, this.crypto, findings);
    this.own = this.#identity.own;
    checkPinned(this.pinned, this.own, this.#identity.origin, findings);
    await checkPrivateKeys(this.#folder, listing.files, this.crypto, this.own, findings);
    await this.#claimCheckpoint(note, newest);
    const place = { path: checkpointPath };
    this.witnesses = await checkWitnesses(this.crypto, note, this.#options, findings, place);
    const { origin = "" } = this.#identity;
    await this.claimGiven(this.#options.checkpoint, origin, (size, what) =>
      this.#isRolledBack(size, newest, what, undefined),
    );
    for (const { number, size, root } of ring.commits) {
      const place = { path: ringPath, byte: byteOfSlot(number) };
      this.claims.add({ size, root, what: `commit record ${number}`, code: "commits", place });
    }
    const position: Position = {
      edge: new RightEdge(this.crypto.sha256),
      prev: genesisPrev(),
      lastTime: undefined,
      lastTimeMs: -Infinity,
      isSound: true,
    };
    let lastTime: string | undefined;
    if (newest !== undefined) {
      const rest: Rest = { next: [], entries: 0 };
      try {
        await this.#checkEntries(newest, layout, position, rest);
      } catch (error) {
        // A file that the system would not read: what came before it was checked, the rest was not.
        findings.caught(error, "unreadable", { seq: position.edge.size });
      }
      lastTime = position.lastTime;
      judgeSuspect(ring, [{ ...newest, number: newest.number + 1 }, ...rest.next], findings);
      if (rest.entries > 0) {
        const what = `${rest.entries} entries follow that no commit covers: they were never acknowledged`;
        findings.note("rest", what, { seq: newest.size, path: "tail" });
      }
    }
    const { signal } = this.#options;
    const blobs = { folder: this.#folder, listing, findings, signal };
    await checkBlobs(this.#named, blobs);
    this.claims.finish();
    const { genesis } = this.#identity;
    if (genesis === undefined && newest !== undefined && newest.size > 0 && !findings.hasProblems) {
      findings.problem("settings", "entry 0 could not be read", { seq: 0 });
    }
    return this.#report(newest, lastTime, listing);
  }

  async #claimCheckpoint(bytes: Uint8Array | undefined, newest: Commit | undefined): Promise<void> {
    const place = { path: checkpointPath };
    if (bytes === undefined) {
      const what = "there is no published checkpoint";
      if ((newest?.size ?? 0) > unpublishedSizeMax) this.findings.problem("missing", what, place);
      else this.findings.note("missing", what, place);
      return;
    }
    try {
      const checked = await this.#verify(bytes, "the published checkpoint");
      const { size, root } = checked.checkpoint;
      this.#published = { note: parseUtf8(bytes), size };
      const what = "the published checkpoint";
      if (this.#isRolledBack(size, newest, what, checkpointPath)) return;
      this.claims.add({ size, root, what, code: "checkpoint", place });
    } catch (error) {
      this.findings.caught(error, "checkpoint", place);
    }
  }

  #isRolledBack(
    size: number,
    newest: Commit | undefined,
    what: string,
    path: string | undefined,
  ): boolean {
    if (newest === undefined || size <= newest.size) return false;
    const here = `the log has ${newest.size} entries, and ${what} says ${size}`;
    const message = `${here}: entries were cut off, or an older copy was put back`;
    const place = { seq: newest.size, ...(path === undefined ? {} : { path }) };
    this.findings.problem("rollback", message, place);
    return true;
  }

  async #verify(bytes: Uint8Array, what: string) {
    const { note, checkpoint, verified } = await verifyCheckpoint(
      ...([this.crypto, bytes, this.own, this.#identity.origin ?? ""] as const),
    );
    checkAllSigned(this.own, verified, what);
    const ownLines = note.signatures.filter(({ name }) => name === this.#identity.origin);
    if (ownLines.length > this.own.length) {
      throw new CairnError("malformed", `${what} has more signatures of the log than it has keys`);
    }
    if (note.signatures.length > ownLines.length) {
      const others = note.signatures.length - ownLines.length;
      this.findings.note("checkpoint", `${others} others signed as well; they were not checked`, {
        path: checkpointPath,
      });
    }
    return { checkpoint };
  }

  /** Sealed files, then the tail, then what lies beyond the commit. */
  async #checkEntries(
    newest: Commit,
    layout: Layout,
    position: Position,
    rest: Rest,
  ): Promise<void> {
    const { signal } = this.#options;
    const findings = this.findings;
    const { sha256 } = this.crypto;
    const onFirst = (time: string): void => {
      this.#firstTime = time;
    };
    const tiles = new UpperTiles(this.#folder, sha256, layout.tiles, findings);
    const parts = { folder: this.#folder, findings, claims: this.claims, onFirst };
    const chain: ChainContext = { ...parts, sha256, tiles };
    const onEntries = (count: number): void => this.#progress(count, newest.size);
    const onBlob = this.#named.take;
    const { crypto } = this;
    const tail: TailContext = { ...parts, crypto, commit: newest, signal, onEntries, onBlob };
    if (this.claims.isWaiting(0)) this.claims.settle(0, position.edge.root());
    await this.#checkSealed(layout, newest, position, chain, tail);
    tiles.finish();
    await this.#checkTails(layout, newest, position, chain, tail, rest);
  }

  async #checkSealed(
    layout: Layout,
    newest: Commit,
    position: Position,
    chain: ChainContext,
    tail: TailContext,
  ): Promise<void> {
    const findings = this.findings;
    const segments = (layout.sealed.at(-1) ?? -segmentEntries) / segmentEntries + 1;
    if (segments * segmentEntries > newest.size) {
      const what = `${segments * segmentEntries} entries are sealed, and the newest commit record knows ${newest.size}`;
      const path = sealedPath((segments - 1) * segmentEntries);
      findings.problem("rollback", `${what}: newer records are gone`, { path, seq: newest.size });
    }
    const jobs: SegmentJob[] = [];
    for (const first of layout.sealed) jobs.push(await this.#job(first, layout));
    const results = await this.#runJobs(jobs, newest);
    const byFirst = new Map(layout.sealed.map((first, i) => [first, results[i]!]));
    for (let index = 0; index < segments; index++) {
      const first = index * segmentEntries;
      const result = byFirst.get(first);
      const before: Position = { ...position, edge: position.edge.clone() };
      await appendSealed(chain, position, result);
      if (layout.tails.includes(first)) await this.#checkLeftover(first, before, position, tail);
      if (!layout.ids.includes(first)) {
        const path = idSidecarPath(first);
        findings.note("missing", "the index of event ids is not there; it can be made again", {
          path,
        });
      }
    }
    await checkStreamFiles(this.#folder, layout.streams, findings);
    for (const first of layout.ids) {
      if (byFirst.has(first)) continue;
      const what = "there are no sealed entries that these id hashes are of";
      findings.problem("derived", what, { path: idSidecarPath(first) });
    }
  }

  async #job(first: number, layout: Layout): Promise<SegmentJob> {
    const path = sealedPath(first);
    const byteLength = (await this.#folder.byteLength(path)) ?? 0;
    const own = reportKeys(this.crypto, this.own).map(({ vkey }) => vkey);
    const idKey = layout.ids.includes(first) ? this.#identity.settings?.idKey : undefined;
    return { path, byteLength, first, origin: this.#identity.origin, vkeys: own, idKey };
  }

  async #runJobs(jobs: readonly SegmentJob[], newest: Commit): Promise<SegmentResult[]> {
    const results = await checkSegments(jobs, {
      folder: this.#folder,
      crypto: this.crypto,
      workers: this.#options.workers,
      signal: this.#options.signal,
      onEntries: (count) => this.#progress(count, newest.size),
    });
    for (const result of results) {
      if (result.isSound) for (const naming of result.blobs) this.#named.add(naming);
    }
    return results;
  }

  /** A crash, or a sealing under way, leaves a tail file beside the sealed one: it must say the same. */
  async #checkLeftover(
    first: number,
    before: Position,
    after: Position,
    tail: TailContext,
  ): Promise<void> {
    const findings = new Findings();
    const size = first + segmentEntries;
    const commit = { ...tail.commit, size, tailFirst: -1 };
    const context = { ...tail, findings, claims: new RootClaims(findings), commit };
    const ignore = (): void => undefined;
    const quiet = { ...context, onEntries: ignore, onFirst: ignore, onBlob: ignore };
    const result = await checkTail(quiet, before, { next: [], entries: 0 });
    const place = { path: tailPath(first) };
    const isSame = after.prev === undefined || (before.prev ?? "") === after.prev;
    for (const { code, message, ...where } of findings.problems()) {
      this.findings.problem(code, message, where);
    }
    if (result === "good" && !isSame && base64(before.prev!) !== base64(after.prev!)) {
      const what = "the tail file holds other entries than the sealed file that was made from it";
      this.findings.problem("tail", what, { ...place, seq: first });
    } else if (result === "good") {
      this.findings.note("rest", "the tail file of a sealed segment is still there", place);
    }
  }

  async #checkTails(
    layout: Layout,
    newest: Commit,
    position: Position,
    chain: ChainContext,
    tail: TailContext,
    rest: Rest,
  ): Promise<void> {
    const { edge } = position;
    const seen = new Set<number>();
    for (;;) {
      const first = edge.size;
      if (first >= newest.size && !layout.tails.includes(first)) break;
      seen.add(first);
      const result = await checkTail(tail, position, rest);
      if (result === "bad") return;
      if (result === "missing") {
        if (first >= newest.size) break;
        if (!(await this.#takeSealedMeanwhile(first, layout, newest, position, chain))) return;
      }
      if (edge.size < first + segmentEntries) break;
    }
    for (const first of layout.tails) {
      if (first > edge.size - (edge.size % segmentEntries) && !seen.has(first)) {
        await checkUnusedTail(tail, position, first);
      }
    }
  }

  /** A tail file that is gone was sealed while we looked elsewhere, or is lost. */
  async #takeSealedMeanwhile(
    first: number,
    layout: Layout,
    newest: Commit,
    position: Position,
    chain: ChainContext,
  ): Promise<boolean> {
    const job = await this.#job(first, layout);
    if (job.byteLength === 0) {
      const what = `entries from ${first} on are gone: their tail file is missing`;
      this.findings.problem("missing", what, { path: tailPath(first), seq: first });
      return false;
    }
    await appendSealed(chain, position, (await this.#runJobs([job], newest))[0]);
    return true;
  }

  #progress(count: number, total: number): void {
    this.#entries += count;
    this.#options.onProgress?.({
      target: this.#folder.location,
      entriesDone: this.#entries,
      entriesTotal: total,
    });
  }

  /** A small file; one that can't be read is a problem, and then as good as missing. */
  async #small(path: string, byteLengthMax: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#folder.get(path, byteLengthMax);
    } catch (error) {
      this.findings.caught(error, "unreadable", { path });
      return undefined;
    }
  }

  #report(
    newest: Commit | undefined,
    lastTime: string | undefined,
    listing: FolderListing,
  ): Report {
    return this.report({
      origin: this.#identity.origin,
      newest,
      published: this.#published,
      firstTime: this.#firstTime,
      lastTime,
      entriesChecked: this.#entries,
      filesChecked: listing.files.size,
    });
  }
}
