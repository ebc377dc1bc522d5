/**
 * A witness (C2SP tlog-witness): it remembers, for each log, the last checkpoint that it cosigned, and cosigns no
 * other than one that continues it. This file is the whole of it but for HTTP: bytes in, an answer out.
 *
 * It does not read entries, and says nothing about them; it has no opinion on time but its own clock's. It asks nobody
 * anything, so it can be run by people who know nothing of the logs.
 *
 * `sign-subtree`, which is optional in the specification, is not offered.
 */
import {
  admitCheckpoint,
  CairnError,
  formatCosignatureLines,
  formatTreeSizeBody,
  isCairnError,
  parseAddCheckpoint,
  parseVkey,
  treeSizeMediaType,
  utf8,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { sqliteLock, type HeldLock } from "@cairnlog/store";
import { openCosigners, prepareFolder, type Cosigners } from "./cosigner-keys.ts";
import { Cosigning } from "./cosigning.ts";
import { addLogs, countEvidence, countLogs, type AddedLog } from "./log-list.ts";
import { RateLimiter, type RateLimit } from "./rate-limit.ts";
import { WitnessState } from "./witness-state.ts";

/** Time as a witness sees it. */
export interface WitnessClock {
  /** Milliseconds since 1970. May step; the cosignatures of a log never go back. */
  now(): number;
  /** Milliseconds since some fixed moment; never steps. */
  monotonic(): number;
}

export interface WitnessOptions {
  /** A folder of its own; made at the first start. */
  readonly folder: string;
  /** Needed at the first start: `witness.example.com/w1`. Never another one later. */
  readonly name?: string;
  readonly clock: WitnessClock;
  /** Which of its keys cosign. Default: both. */
  readonly cosignWith?: readonly ("ed25519" | "ml-dsa-44")[];
  /** For each log and client. */
  readonly rateLimit?: RateLimit;
  /** Called once if nothing can be made durable any more. It should be started again, by a person or a supervisor. */
  readonly onFailure?: (error: CairnError) => void;
}

/** What to answer. `body` ends in a newline. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 429 | 503;
  readonly contentType: string;
  readonly body: string;
  /** With 429 and 503. */
  readonly retryAfterMs?: number;
}

/** Counted since the start, for metrics. */
export interface WitnessCounters {
  commits: number;
  commitSeconds: number;
  /** Heads and evidence that those commits made durable. */
  changes: number;
}

export const textMediaType = "text/plain; charset=utf-8";
export const defaultRateLimit: RateLimit = { perSecond: 1000, burst: 2000 };
const waitingMax = 8192;
const parsedKeysMax = 1024;

export class Witness {
  readonly name: string;
  /** Verifier keys, type 0x04 and 0x06. */
  readonly vkeys: readonly string[];
  readonly counters: WitnessCounters = { commits: 0, commitSeconds: 0, changes: 0 };
  readonly #lock: HeldLock;
  readonly #state: WitnessState;
  readonly #cosigning: Cosigning;
  readonly #limiter: RateLimiter;
  /** Keys of logs that were seen lately, by their text. */
  readonly #parsedKeys = new Map<string, readonly Vkey[]>();
  #isClosing = false;

  private constructor(
    options: WitnessOptions,
    lock: HeldLock,
    cosigners: Cosigners,
    state: WitnessState,
  ) {
    const { clock, cosignWith = ["ed25519", "ml-dsa-44"], onFailure = () => {} } = options;
    this.name = cosigners.name;
    this.vkeys = cosigners.vkeys;
    this.#lock = lock;
    this.#state = state;
    this.#limiter = new RateLimiter(options.rateLimit ?? defaultRateLimit, () => clock.monotonic());
    this.#cosigning = new Cosigning({
      state,
      signers: cosigners.signers.filter(({ signer }) => cosignWith.includes(signer.algorithm)),
      now: () => clock.now(),
      onFailure,
      onCommit: (changes, seconds) => {
        this.counters.commits += 1;
        this.counters.commitSeconds += seconds;
        this.counters.changes += changes;
      },
    });
  }

  /** Opens the witness in a folder, or makes a new one there. "locked", with the pid, where another process has it. */
  static open(options: WitnessOptions): Witness {
    const { folder, name, cosignWith } = options;
    if (cosignWith?.length === 0) {
      throw new CairnError("usage", "a witness cosigns with at least one key");
    }
    prepareFolder(folder);
    const lock = takeLock(folder);
    let state: WitnessState | undefined;
    try {
      const cosigners = openCosigners(folder, name);
      state = WitnessState.open(folder);
      return new Witness(options, lock, cosigners, state);
    } catch (error) {
      state?.close();
      lock.release();
      throw error;
    }
  }

  /** Answers an `add-checkpoint` request. Never rejects for what was sent, or for a disk that fails. */
  async addCheckpoint(body: Uint8Array, client: string): Promise<WitnessAnswer> {
    try {
      return await this.#addCheckpoint(body, client);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      if (error.code === "malformed" || error.code === "too_large") return text(400, error.message);
      return unavailable(error);
    }
  }

  /**
   * The last checkpoint that was cosigned for the log whose origin has this SHA-256, with the log's signatures and
   * ours; undefined if there is none. A log that was removed keeps its last one.
   */
  findCheckpoint(originHash: Uint8Array): string | undefined {
    return this.#state.findNote(originHash);
  }

  /** As `cairn witness add-log` does from another process. */
  addLogs(vkeys: readonly string[], origin?: string): AddedLog[] {
    return addLogs(this.#state, this.vkeys, vkeys, origin);
  }

  /** Why nothing can be cosigned any more; undefined while all is well. */
  get failure(): CairnError | undefined {
    return this.#state.failure;
  }

  /** Requests that wait for their commit. */
  get waitingCount(): number {
    return this.#cosigning.waitingCount;
  }

  countLogs(): number {
    return countLogs(this.#state);
  }

  countEvidence(): ReturnType<typeof countEvidence> {
    return countEvidence(this.#state);
  }

  /** Answers what was accepted, and lets go of the folder. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    await this.#cosigning.settle();
    this.#state.close();
    this.#lock.release();
  }

  async #addCheckpoint(body: Uint8Array, client: string): Promise<WitnessAnswer> {
    this.#checkOpen();
    const request = parseAddCheckpoint(body);
    const hash = nodeCrypto.sha256(utf8(request.parsed.origin));
    const log = this.#state.find(hash);
    if (log !== undefined) {
      // Before the signatures are looked at: that is what costs.
      const waitMs = this.#limiter.take(log.origin, client);
      if (waitMs !== undefined) {
        return text(429, "too many requests for this log: wait, then send it again", waitMs);
      }
    }
    const keys = log === undefined ? undefined : this.#keysOf(log.vkeys);
    const admitted = await admitCheckpoint(nodeCrypto, request, keys);
    if (admitted.status !== 200) return text(admitted.status, admitted.reason);
    return await this.#cosign({ admitted, hash, vkeys: log!.vkeys });
  }

  async #cosign(admission: Parameters<Cosigning["submit"]>[0]): Promise<WitnessAnswer> {
    this.#checkOpen();
    if (this.#cosigning.waitingCount >= waitingMax) {
      return text(503, "too many requests wait for a commit: send it again later", 1000);
    }
    const outcome = await this.#cosigning.submit(admission);
    switch (outcome.status) {
      case 200:
        return text(200, formatCosignatureLines(outcome.cosignatures).trimEnd());
      case 409: {
        const contentType = treeSizeMediaType;
        return { status: 409, contentType, body: formatTreeSizeBody(outcome.size) };
      }
      case 422:
        return text(422, outcome.reason);
      case 503:
        return text(503, outcome.reason, 1000);
    }
  }

  #checkOpen(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.#isClosing) throw new CairnError("unavailable", "the witness is stopping");
  }

  #keysOf(vkeys: string): readonly Vkey[] {
    const known = this.#parsedKeys.get(vkeys);
    if (known !== undefined) return known;
    const parsed = vkeys.split("\n").map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
    // Dropping all is simpler than dropping the oldest, and costs microseconds.
    if (this.#parsedKeys.size >= parsedKeysMax) this.#parsedKeys.clear();
    this.#parsedKeys.set(vkeys, parsed);
    return parsed;
  }
}

function takeLock(folder: string): HeldLock {
  try {
    return sqliteLock(folder, "witness");
  } catch (error) {
    if (!isCairnError(error, "locked")) throw error;
    throw new CairnError("locked", `a witness is running on ${folder} already: ${error.message}`, {
      cause: error,
      place: { path: folder },
    });
  }
}

function text(status: WitnessAnswer["status"], line: string, retryAfterMs?: number): WitnessAnswer {
  const answer = { status, contentType: textMediaType, body: `${line}\n` };
  return retryAfterMs === undefined ? answer : { ...answer, retryAfterMs };
}

/** What went wrong inside is for the operator; whoever asks hears that it may be tried again. */
function unavailable(error: CairnError): WitnessAnswer {
  const isPlain = error.code === "unavailable" && error.place.path === undefined;
  const line = isPlain
    ? error.message
    : "the witness cannot keep what it signs: send it again later";
  return text(503, line, error.retryAfterMs ?? 5000);
}
