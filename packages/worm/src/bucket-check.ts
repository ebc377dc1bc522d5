/**
 * Verifies one log in a bucket: every sealed file, every checkpoint, that they are one history, and that the copies are
 * write-once still. The reader brings nothing but the right to read; the log and its server are not asked.
 */
import {
  base64,
  genesisPrev,
  isCairnError,
  parseUtf8,
  RightEdge,
  utf8,
  verifyCheckpoint,
  type Crypto,
  type Vkey,
} from "@cairnlog/core";
import { sealedPath, segmentEntries } from "@cairnlog/store";
import {
  appendSealed,
  checkBlobs,
  checkPinned,
  checkSegments,
  checkWitnesses,
  Findings,
  identify,
  LogFolder,
  NamedBlobs,
  reportKeys,
  RootClaims,
  summaryOfLog,
  verdictOf,
  type Identity,
  type Position,
  type Report,
  type SegmentJob,
  type TrustOptions,
  type WitnessReport,
} from "@cairnlog/verify";
import type { Bucket } from "./bucket.ts";
import { takeInventory, type Inventory } from "./bucket-inventory.ts";
import { walkCheckpoints, type CopiedCheckpoint } from "./checkpoint-walk.ts";
import { LockFindings } from "./lock-findings.ts";
import { LockedFiles } from "./locked-files.ts";
import { formatBucketPlace, vkeysKey } from "./place.ts";

export interface BucketCheckOptions extends TrustOptions {
  readonly crypto: Crypto;
  readonly pinned: readonly Vkey[];
  /** A checkpoint from outside (a signed note): the copies must be of the same history. */
  readonly checkpoint?: string;
  /** Milliseconds since 1970: locks must hold beyond it. */
  readonly nowMs: number;
  readonly onProgress?: (progress: {
    readonly target: string;
    readonly entriesDone: number;
    readonly entriesTotal: number;
  }) => void;
  readonly signal?: AbortSignal;
}

/** A checkpoint may be in the bucket for as long before the entries that it covers: sealing and copying take time. */
const graceMs = 3_600_000;
const smallByteLengthMax = 65_536;
const noTiles = { append: async () => undefined };

export class BucketCheck {
  readonly #bucket: Bucket;
  readonly #options: BucketCheckOptions;
  readonly #location: string;
  readonly #findings = new Findings();
  readonly #claims = new RootClaims(this.#findings);
  readonly #locks: LockFindings;
  readonly #named = new NamedBlobs();
  #firstTime: string | undefined;
  #entries = 0;
  #checkpoints = 0;
  #newest: CopiedCheckpoint | undefined;
  /** The newest one that the sealed entries are compared with. */
  #compared: CopiedCheckpoint | undefined;

  constructor(bucket: Bucket, options: BucketCheckOptions) {
    this.#bucket = bucket;
    this.#options = options;
    this.#location = formatBucketPlace(bucket.place);
    this.#locks = new LockFindings(this.#findings, options.nowMs);
  }

  async run(): Promise<Report> {
    const { crypto, pinned, signal } = this.#options;
    const findings = this.#findings;
    const inventory = await takeInventory(this.#bucket, this.#locks, findings);
    const files = new LockedFiles(this.#location, this.#bucket, inventory.versions, (key, lock) =>
      this.#locks.seeLock(key, lock),
    );
    const folder = new LogFolder(this.#location, files);
    const identity = await identify(folder, listingOf(inventory), crypto, findings);
    checkPinned(pinned, identity.own, identity.origin, findings);
    await this.#checkVkeys(folder, identity);
    await this.#claimGiven(identity);
    const checkpoints = walkCheckpoints({
      bucket: this.#bucket,
      crypto,
      origin: identity.origin,
      vkeys: identity.own,
      findings,
      locks: this.#locks,
      signal,
    });
    const position = await this.#checkSealed(folder, files, inventory, identity, checkpoints);
    const listing = listingOf(inventory);
    await checkBlobs(this.#named, { folder, listing, findings, signal });
    this.#claims.finish();
    this.#locks.finish();
    this.#checkCoverage(position);
    const witnesses = await this.#checkQuorum(position);
    return this.#report(identity, position, inventory, witnesses);
  }

  async #checkVkeys(folder: LogFolder, { own }: Identity): Promise<void> {
    const place = { path: vkeysKey };
    try {
      const bytes = await folder.get(vkeysKey, smallByteLengthMax);
      if (bytes === undefined) {
        this.#findings.problem("missing", "the log's verifier keys are missing", place);
        return;
      }
      const expected = reportKeys(this.#options.crypto, own).map(({ vkey }) => `${vkey}\n`);
      if (parseUtf8(bytes) === expected.join("")) return;
      this.#findings.problem("keys", "these are not the keys that the log names", place);
    } catch (error) {
      this.#findings.caught(error, "keys", place);
    }
  }

  async #claimGiven({ own, origin = "" }: Identity): Promise<void> {
    const { checkpoint: given, crypto } = this.#options;
    if (given === undefined) return;
    const what = "the given checkpoint";
    try {
      const { checkpoint } = await verifyCheckpoint(crypto, utf8(given), own, origin);
      const { size, root } = checkpoint;
      this.#claims.add({ size, root, what, code: "checkpoint", place: {} });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.#findings.problem("checkpoint", `${what} is not of this log: ${error.message}`);
    }
  }

  /** Sealed files in order, and with each the checkpoints of sizes up to its end. */
  async #checkSealed(
    folder: LogFolder,
    files: LockedFiles,
    { sealed, versions }: Inventory,
    identity: Identity,
    checkpoints: AsyncGenerator<CopiedCheckpoint>,
  ): Promise<Position> {
    const { crypto, signal } = this.#options;
    const position = beginning(crypto);
    const here = new Set(sealed);
    const end = (sealed.at(-1) ?? -segmentEntries) + segmentEntries;
    const onFirst = (time: string): void => {
      this.#firstTime = time;
    };
    const parts = { folder, findings: this.#findings, claims: this.#claims };
    const chain = { ...parts, sha256: crypto.sha256, tiles: noTiles, onFirst };
    const vkeys = reportKeys(crypto, identity.own).map(({ vkey }) => vkey);
    let next = await this.#nextCheckpoint(checkpoints);
    for (let first = 0; first < end; first += segmentEntries) {
      for (; next !== undefined && next.size <= first + segmentEntries;) {
        this.#claim(next);
        next = await this.#nextCheckpoint(checkpoints);
      }
      const path = sealedPath(first);
      const { byteLength = 0 } = versions.get(path) ?? {};
      const { origin } = identity;
      const job: SegmentJob = { path, byteLength, first, origin, vkeys, idKey: undefined };
      files.prefetch(sealedPath(first + segmentEntries));
      const jobs = here.has(first) ? [job] : [];
      const [result] = await checkSegments(jobs, {
        folder,
        crypto,
        workers: 0,
        signal,
        onEntries: (count) => this.#progress(count, end),
      });
      if (result?.isSound === true) for (const naming of result.blobs) this.#named.add(naming);
      await appendSealed(chain, position, result);
    }
    while (next !== undefined) next = await this.#nextCheckpoint(checkpoints);
    return position;
  }

  /** Counts it and remembers it as the newest. */
  async #nextCheckpoint(
    checkpoints: AsyncGenerator<CopiedCheckpoint>,
  ): Promise<CopiedCheckpoint | undefined> {
    const next = await checkpoints.next();
    if (next.done === true) return undefined;
    this.#checkpoints++;
    this.#newest = next.value;
    return next.value;
  }

  #claim(checkpoint: CopiedCheckpoint): void {
    const { size, root, path } = checkpoint;
    this.#compared = checkpoint;
    const what = "the checkpoint";
    this.#claims.add({ size, root, what, code: "checkpoint", place: { path } });
  }

  /** What the newest checkpoint covers beyond the sealed files: entries that are not sealed yet, or not copied. */
  #checkCoverage({ edge }: Position): void {
    const newest = this.#newest;
    if (newest === undefined) {
      const isLog = edge.size > 0;
      const what = "there is no checkpoint";
      if (isLog) this.#findings.problem("missing", what, { path: "checkpoints" });
      else this.#findings.note("missing", what, { path: "checkpoints" });
      return;
    }
    const { size, path, storedMs } = newest;
    if (size <= edge.size) return;
    const uncopied = size - edge.size;
    const isOld = storedMs > 0 && this.#options.nowMs - storedMs > graceMs;
    const place = { path, seq: edge.size };
    if (uncopied >= segmentEntries && isOld) {
      const what = `the newest checkpoint covers ${uncopied} entries more than the sealed files: whole files are missing`;
      this.#findings.problem("missing", what, place);
      return;
    }
    const what =
      `of ${uncopied} entries from ${edge.size} on there is no copy yet, only the signed checkpoint that covers them: ` +
      "they are not sealed, or still to be copied";
    this.#findings.note("rest", what, place);
  }

  /**
   * The witnesses of the policy must have cosigned a checkpoint that the copied entries come to: one of entries that
   * are not here would say nothing about those that are. Where no entry is here, the newest is all there is.
   */
  async #checkQuorum({ edge }: Position): Promise<readonly WitnessReport[]> {
    const { crypto } = this.#options;
    const asked = edge.size === 0 ? this.#newest : this.#compared;
    const place = { path: asked?.path ?? "checkpoints" };
    const note = asked === undefined ? undefined : utf8(asked.note);
    const witnesses = await checkWitnesses(crypto, note, this.#options, this.#findings, place);
    if (witnesses.length > 0 && asked !== undefined && asked.size < edge.size) {
      const what = `the ${edge.size - asked.size} entries from ${asked.size} on are under no cosigned checkpoint here`;
      this.#findings.note("quorum", what, { ...place, seq: asked.size });
    }
    return witnesses;
  }

  #progress(count: number, total: number): void {
    this.#entries += count;
    this.#options.onProgress?.({
      target: this.#location,
      entriesDone: this.#entries,
      entriesTotal: total,
    });
  }

  #report(
    { own, origin }: Identity,
    position: Position,
    inventory: Inventory,
    witnesses: readonly WitnessReport[],
  ): Report {
    const { crypto, pinned } = this.#options;
    const { edge, lastTime, isSound } = position;
    const problems = this.#findings.problems();
    const isOk = problems.length === 0;
    const newest = this.#newest;
    const report = {
      ok: isOk,
      verdict: verdictOf(isOk, pinned.length > 0),
      kind: "bucket" as const,
      target: this.#location,
      ...(origin === undefined ? {} : { origin }),
      keys: reportKeys(crypto, own),
      size: edge.size,
      ...(isSound ? { root: base64(edge.root()) } : {}),
      entriesChecked: this.#entries,
      filesChecked: inventory.versions.size + this.#checkpoints,
      ...(newest === undefined ? {} : { checkpoint: newest.note, checkpointSize: newest.size }),
      ...(this.#firstTime === undefined ? {} : { firstTime: this.#firstTime }),
      ...(lastTime === undefined ? {} : { lastTime }),
      ...(witnesses.length === 0 ? {} : { witnesses }),
      problems,
      notes: this.#findings.notes(),
      logs: [],
    };
    return { ...report, summary: summaryOfLog(report) };
  }
}

function beginning({ sha256 }: Crypto): Position {
  return {
    edge: new RightEdge(sha256),
    prev: genesisPrev(),
    lastTime: undefined,
    lastTimeMs: -Infinity,
    isSound: true,
  };
}

function listingOf({ versions }: Inventory) {
  const files = new Map([...versions].map(([key, { byteLength }]) => [key, byteLength]));
  return { files, folders: [], strange: [] };
}
