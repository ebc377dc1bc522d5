/**
 * Follows somebody else's log from outside, over the C2SP tile API: each look fetches the checkpoint, and where it
 * has grown, every new entry. Nothing that the server says is believed: the checkpoint must be signed by those who are
 * trusted, the entries must hash to its root, and the tree must be a continuation of the one that was seen before.
 *
 * What was found true is remembered before anybody hears of it, so that a restart knows what was promised.
 */
import {
  CairnError,
  hashLeaf,
  isCairnError,
  isSameBytes,
  noteBytesMax,
  parseEntryBundle,
  parseUtf8,
  RightEdge,
  tilePath,
  tileWidth,
  tileWidthMax,
  verifyWitnessedCheckpoint,
  type Crypto,
  type ErrorPlace,
  type ParsedCheckpoint,
  type Policy,
  type WitnessedCheckpoint,
} from "@cairnlog/core";
import { EntryChain } from "@cairnlog/verify";
import { checkpointOf, firstState, type FollowPosition, type FollowState } from "./follow-state.ts";

/** What the log did that it must not do. The words are public: they stand in alarms. */
export type MisbehaviourCode =
  | "checkpoint" // The checkpoint is no checkpoint, or not signed by those who are trusted.
  | "fork" // Two signed checkpoints cannot both be true.
  | "rollback" // It shows an older state than it has shown before.
  | "entries" // The entries that it serves are not those of its signed root.
  | "chain" // Its signed tree holds an entry that breaks the chain, the order or the format.
  | "missing"; // It does not serve what its checkpoint covers.

export interface Misbehaviour {
  readonly code: MisbehaviourCode;
  readonly message: string;
  readonly place: ErrorPlace;
  /** The signed notes that show it, verbatim, oldest first; what was sent where it is no note. */
  readonly evidence: readonly string[];
}

/** A checkpoint that was shown, and found to be signed. */
export interface SeenCheckpoint extends WitnessedCheckpoint {
  /** The signed note, verbatim. */
  readonly text: string;
}

export type Look =
  | {
      readonly kind: "seen";
      readonly seen: SeenCheckpoint;
      /** Entries that were verified in this look. */
      readonly entries: number;
    }
  /** Signed by the log, but not by enough witnesses: it was not followed. */
  | { readonly kind: "unwitnessed"; readonly seen: SeenCheckpoint }
  | { readonly kind: "misbehaviour"; readonly misbehaviour: Misbehaviour };

/** Where the bytes of a log come from; "not_found", "unavailable" … as `Fetcher` has them. */
export interface TileSource {
  get(path: string, byteLengthMax: number): Promise<Uint8Array>;
}

/** Takes what was verified: a mirror. */
export interface FollowSink {
  /** A bundle: `width` entries, and their leaf hashes. Of a tree that is not yet known to be the signed one. */
  take(index: number, width: number, bundle: Uint8Array, leafHashes: Uint8Array): Promise<void>;
  /** All that was taken is to be durable when this resolves. */
  flush(): Promise<void>;
  /** The walk that these bundles came from led nowhere: those from entry `size` on will come again. */
  rewind(size: number): Promise<void>;
}

/** Where the memory lies. `save` resolves when it is durable. */
export interface FollowMemory {
  load(): Promise<FollowState | undefined>;
  save(state: FollowState): Promise<void>;
}

export interface FollowerOptions {
  readonly source: TileSource;
  readonly crypto: Crypto;
  /** Who must have signed. Of keys alone: `policyOfKeys`. */
  readonly policy: Policy;
  /** Milliseconds since 1970: a cosignature from the future does not count. */
  readonly now: () => number;
  readonly memory: FollowMemory;
  readonly sink?: FollowSink;
  /** Bundles that are asked for ahead; default 8. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  readonly onEntries?: (verified: number, size: number) => void;
}

/** So many bundles are walked between two saves: a restart in the middle of a first copy goes on from there. */
const bundlesPerSave = 1024;
const bundleByteLengthMax = tileWidthMax * (2 + 0xffff);
const hashByteLength = 32;

export class Follower {
  readonly #options: FollowerOptions;
  #state: FollowState;

  private constructor(options: FollowerOptions, state: FollowState) {
    this.#options = options;
    this.#state = state;
  }

  static async open(options: FollowerOptions): Promise<Follower> {
    return new Follower(options, (await options.memory.load()) ?? firstState);
  }

  get state(): FollowState {
    return this.#state;
  }

  /**
   * One look. Rejects with "unavailable" (and "not_found", "forbidden" … for the checkpoint itself) where the server
   * did not answer, which proves nothing, and with the signal's reason.
   */
  async look(): Promise<Look> {
    const { source, crypto, policy, now } = this.#options;
    const bytes = await source.get("checkpoint", noteBytesMax);
    let seen: SeenCheckpoint;
    try {
      const nowSeconds = Math.floor(now() / 1000);
      const options = { now: nowSeconds, allowExtensions: true };
      const checked = await verifyWitnessedCheckpoint(crypto, bytes, policy, options);
      seen = { ...checked, text: parseUtf8(bytes) };
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const sent = new TextDecoder().decode(bytes);
      return misbehaves("checkpoint", error.message, error.place, [sent]);
    }
    const old = checkpointOf(this.#state);
    const { checkpoint } = seen;
    if (old !== undefined && old.origin !== checkpoint.origin) {
      const what = `it is now the log ${JSON.stringify(checkpoint.origin)}, and was ${JSON.stringify(old.origin)}`;
      return misbehaves("checkpoint", what, {}, this.#notes(seen));
    }
    if (old === undefined || checkpoint.size > old.size) {
      return seen.isQuorum ? this.#grow(seen, old) : { kind: "unwitnessed", seen };
    }
    if (checkpoint.size < old.size) {
      const what = `it shows ${checkpoint.size} entries, and has shown ${old.size} before`;
      return misbehaves("rollback", what, { seq: checkpoint.size }, this.#notes(seen));
    }
    if (!isSameBytes(checkpoint.root, old.root)) {
      const what = `it has signed two different trees of ${old.size} entries`;
      return misbehaves("fork", what, {}, this.#notes(seen));
    }
    // The same tree, perhaps under newer cosignatures.
    if (!seen.isQuorum) return { kind: "unwitnessed", seen };
    if (seen.text !== this.#state.note) await this.#save({ ...this.#state, note: seen.text });
    return { kind: "seen", seen, entries: 0 };
  }

  async #grow(seen: SeenCheckpoint, old: ParsedCheckpoint | undefined): Promise<Look> {
    const { base, walked } = this.#state;
    const { size } = seen.checkpoint;
    const walk = new Walk(
      this.#options,
      // A walk may have come further than a checkpoint that is shown now.
      walked.size <= size ? walked : base,
      size,
      old,
      (position) => this.#save({ ...this.#state, walked: position }),
    );
    try {
      await walk.run();
    } catch (error) {
      if (!isCairnError(error) || error.code === "unavailable") throw error;
      await this.#rewind();
      if (error.code !== "not_found") throw error;
      return misbehaves("missing", error.message, error.place, this.#notes(seen));
    }
    const fault = this.#judge(walk, seen, old);
    if (fault !== undefined) {
      await this.#rewind();
      return fault;
    }
    await this.#options.sink?.flush();
    const { boundary } = walk;
    await this.#save({ note: seen.text, base: boundary, walked: boundary });
    return { kind: "seen", seen, entries: size - (old?.size ?? 0) };
  }

  /** What the finished walk says about the log; undefined where all is well. */
  #judge(walk: Walk, seen: SeenCheckpoint, old: ParsedCheckpoint | undefined): Look | undefined {
    const { checkpoint } = seen;
    const notes = this.#notes(seen);
    if (!isSameBytes(walk.root(), checkpoint.root)) {
      const what = `the ${checkpoint.size} entries that it serves do not hash to its signed root`;
      return misbehaves("entries", what, walk.firstFault?.place ?? {}, notes);
    }
    if (walk.isForked) {
      const before = `the one of ${old!.size} that it signed before`;
      const what = `its tree of ${checkpoint.size} entries does not continue ${before}`;
      return misbehaves("fork", what, {}, notes);
    }
    const { firstFault } = walk;
    return firstFault && misbehaves("chain", firstFault.message, firstFault.place, notes);
  }

  async #rewind(): Promise<void> {
    const { base } = this.#state;
    await this.#save({ ...this.#state, walked: base });
    await this.#options.sink?.rewind(base.size);
  }

  async #save(state: FollowState): Promise<void> {
    await this.#options.memory.save(state);
    this.#state = state;
  }

  #notes({ text }: SeenCheckpoint): string[] {
    const { note: before } = this.#state;
    return before === undefined ? [text] : [before, text];
  }
}

function misbehaves(
  code: MisbehaviourCode,
  message: string,
  place: ErrorPlace,
  evidence: readonly string[],
): Look {
  return { kind: "misbehaviour", misbehaviour: { code, message, place, evidence } };
}

interface Bundle {
  readonly index: number;
  readonly width: number;
  readonly bytes: Promise<Uint8Array>;
}

/** From a place between two bundles to the end of a tree. */
class Walk {
  readonly #options: FollowerOptions;
  readonly #size: number;
  readonly #old: ParsedCheckpoint | undefined;
  readonly #onPosition: (position: FollowPosition) => Promise<void>;
  readonly #edge: RightEdge;
  readonly #chain: EntryChain;
  /** Entries are hashed on after a fault of the chain: only the root says whether the log signed it. */
  #seq: number;
  /** The last place between two bundles. */
  boundary: FollowPosition;
  isForked = false;
  firstFault: { readonly message: string; readonly place: ErrorPlace } | undefined;

  constructor(
    options: FollowerOptions,
    from: FollowPosition,
    size: number,
    old: ParsedCheckpoint | undefined,
    onPosition: (position: FollowPosition) => Promise<void>,
  ) {
    const { sha256 } = options.crypto;
    this.#options = options;
    this.#size = size;
    this.#old = old;
    this.#onPosition = onPosition;
    this.#edge = new RightEdge(sha256, from.size, from.peaks);
    this.#chain = new EntryChain(sha256, from);
    this.#seq = from.size;
    this.boundary = from;
  }

  root(): Uint8Array {
    return this.#edge.root();
  }

  async run(): Promise<void> {
    const { parallel = 8, signal } = this.#options;
    const ahead: Bundle[] = [];
    const count = Math.ceil(this.#size / tileWidthMax);
    const first = this.boundary.size / tileWidthMax;
    let next = first;
    for (let index = first; index < count; index++) {
      while (next < count && ahead.length < parallel) ahead.push(this.#request(next++));
      signal?.throwIfAborted();
      await this.#take(ahead.shift()!);
      const isSound = this.firstFault === undefined && !this.isForked;
      if (isSound && (index - first) % bundlesPerSave === bundlesPerSave - 1) {
        await this.#options.sink?.flush();
        await this.#onPosition(this.boundary);
      }
    }
  }

  #request(index: number): Bundle {
    const width = tileWidth("entries", index, this.#size);
    const path = tilePath({ level: "entries", index, width });
    const bytes = this.#options.source.get(path, bundleByteLengthMax);
    // Whoever takes the bundle hears of a failure. After another failure nobody does.
    bytes.catch(() => undefined);
    return { index, width, bytes };
  }

  async #take({ index, width, bytes }: Bundle): Promise<void> {
    const bundle = await bytes;
    const leafHashes = new Uint8Array(width * hashByteLength);
    const path = tilePath({ level: "entries", index, width });
    let ranges: ReturnType<typeof parseEntryBundle>;
    try {
      ranges = parseEntryBundle(bundle, width);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const place = { ...error.place, path, seq: this.#seq };
      throw new CairnError("not_found", error.message, { place, cause: error });
    }
    for (const [i, { begin, end }] of ranges.entries()) {
      leafHashes.set(this.#takeEntry(bundle.subarray(begin, end), path), i * hashByteLength);
    }
    await this.#options.sink?.take(index, width, bundle, leafHashes);
    if (width === tileWidthMax && this.firstFault === undefined) {
      const { size: _size, ...chain } = this.#chain.position();
      this.boundary = { ...chain, size: this.#seq, peaks: this.#edge.peaks() };
    }
    this.#options.onEntries?.(this.#seq, this.#size);
  }

  #takeEntry(bytes: Uint8Array, path: string): Uint8Array {
    const leafHash = this.#hash(bytes, path);
    this.#edge.append(leafHash);
    this.#seq++;
    const old = this.#old;
    if (this.#seq === old?.size) this.isForked = !isSameBytes(this.#edge.root(), old.root);
    return leafHash;
  }

  #hash(bytes: Uint8Array, path: string): Uint8Array {
    try {
      if (this.firstFault === undefined) return this.#chain.take(bytes);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.firstFault = { message: error.message, place: { path, seq: this.#seq } };
    }
    return hashLeaf(this.#options.crypto.sha256, bytes);
  }
}
