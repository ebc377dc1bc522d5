/**
 * Group commit of a witness: whatever waits when the last commit ended is decided, signed and made durable in one step,
 * and only then answered. There is no timer: a lone request waits for one commit, a flood shares it.
 *
 * A step decides in the order of arrival, each request against the head that the ones before it leave behind; so of
 * two that race from one old size, exactly one wins. The cosignatures are made before the commit, because what monitors
 * are served is kept in the same step; they leave this process after it.
 *
 * Invariant: one step at a time, and nobody else writes heads, so what was decided against is what is still there when
 * the step commits. The statement that writes checks it once more.
 */
import {
  assert,
  cosignCheckpoint,
  decideAdmitted,
  formatNote,
  isCairnError,
  isSameBytes,
  type Admitted,
  type CairnError,
  type Hash,
  type NoteSignature,
  type NoteSigner,
  type WitnessDecision,
  type WitnessRefusal,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Change, EvidenceKind, Head, WitnessState } from "./witness-state.ts";

/** A checkpoint that its log signed, and what was looked up to find that out. */
export interface Admission {
  readonly admitted: Admitted;
  /** SHA-256 of the origin. */
  readonly hash: Hash;
  /** The log's keys as they were then, one a line. */
  readonly vkeys: string;
}

export type Outcome =
  | { readonly status: 200; readonly cosignatures: readonly NoteSignature[] }
  | WitnessRefusal
  /** The log was removed, or got other keys, while the request was on its way. Sending it again tells. */
  | { readonly status: 503; readonly reason: string };

export interface CosigningOptions {
  readonly state: WitnessState;
  readonly signers: readonly NoteSigner[];
  /** Milliseconds since 1970; may step. */
  readonly now: () => number;
  /** Called once, when nothing can be cosigned any more. */
  readonly onFailure: (error: CairnError) => void;
  /** Called after each commit. */
  readonly onCommit: (heads: number, seconds: number) => void;
}

interface Waiting extends Admission {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: CairnError) => void;
}

/** A request of the step under way, decided. */
interface Decided {
  readonly waiting: Waiting;
  readonly decision: WitnessDecision | typeof changed;
  readonly before: Head | undefined;
  /** The head that it leaves behind, where it is cosigned. */
  readonly after: Head | undefined;
}

/** A bound on how long the first of a step waits for the last one to be signed. */
const stepMax = 256;

export class Cosigning {
  readonly #options: CosigningOptions;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: CosigningOptions) {
    this.#options = options;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Resolves when the answer may leave. Rejects where nothing could be made durable; then nothing was cosigned. */
  submit(admission: Admission): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...admission, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Reads whatever has arrived meanwhile, so that it shares this commit.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#waiting.splice(0, stepMax);
      try {
        await this.#step(group);
      } catch (error) {
        // A broken invariant is nobody's to catch: the process ends.
        if (!isCairnError(error)) throw error;
        for (const each of group) each.reject(error);
        const { failure } = this.#options.state;
        if (failure !== undefined) this.#fail(failure);
      }
    }
    this.#running = undefined;
  }

  async #step(group: readonly Waiting[]): Promise<void> {
    const { state, onCommit } = this.#options;
    const decided = this.#decide(group);
    const signed = await Promise.all(decided.map((each) => this.#sign(each)));
    const changes: Change[] = [];
    const changeOf = decided.map((each, i) => {
      const change = this.#changeFor(each, signed[i]!);
      return change === undefined ? -1 : changes.push(change) - 1;
    });
    const begun = performance.now();
    const made = changes.length === 0 ? [] : state.commit(changes);
    if (changes.length > 0) onCommit(changes.length, (performance.now() - begun) / 1000);
    // What was decided on top of a head that was not written does not hold either.
    const gone = new Set(
      decided
        .filter((_, i) => made[changeOf[i]!] === false)
        .map(({ waiting }) => originOf(waiting)),
    );
    for (const [i, { waiting, decision }] of decided.entries()) {
      if (gone.has(originOf(waiting))) waiting.resolve(changed);
      else if (decision.status === 200) {
        waiting.resolve({ status: 200, cosignatures: signed[i]! });
      } else waiting.resolve(decision);
    }
  }

  #decide(group: readonly Waiting[]): Decided[] {
    const { state, now } = this.#options;
    const seconds = Math.floor(now() / 1000);
    /** Heads as this step leaves them behind so far, by origin. */
    const heads = new Map<string, Head | undefined>();
    return group.map((waiting) => {
      const origin = originOf(waiting);
      const log = state.find(waiting.hash);
      if (log?.vkeys !== waiting.vkeys) {
        return { waiting, decision: changed, before: undefined, after: undefined };
      }
      const before = heads.has(origin) ? heads.get(origin) : log.head;
      const decision = decideAdmitted(nodeCrypto.sha256, waiting.admitted, before);
      if (decision.status !== 200) return { waiting, decision, before, after: undefined };
      // Never zero, which would be no statement about time, and for one log never back, whatever the clock does.
      const timestamp = Math.max(seconds, before?.timestamp ?? 1, 1);
      const after = { ...decision.state, timestamp };
      heads.set(origin, after);
      return { waiting, decision, before, after };
    });
  }

  async #sign({ waiting, after }: Decided): Promise<readonly NoteSignature[]> {
    if (after === undefined) return [];
    const { text } = waiting.admitted.request.note;
    return await cosignCheckpoint(this.#options.signers, text, after.timestamp);
  }

  #changeFor(decided: Decided, cosignatures: readonly NoteSignature[]): Change | undefined {
    const { waiting, before, after } = decided;
    const { hash, vkeys, admitted } = waiting;
    const { note, parsed } = admitted.request;
    if (after !== undefined) {
      const served = formatNote(note.text, [...verifiedLines(admitted), ...cosignatures]);
      return { kind: "head", hash, vkeys, before, head: after, note: served };
    }
    const kind = evidenceKind(decided);
    if (kind === undefined) return undefined;
    const text = formatNote(note.text, verifiedLines(admitted));
    const timeMs = this.#options.now();
    const { size, root } = parsed;
    return { kind: "evidence", hash, evidence: { kind, timeMs, size, root, note: text } };
  }

  /** Nothing can be made durable any more: whoever waits hears it. Whoever comes later is not let in. */
  #fail(failure: CairnError): void {
    for (const each of this.#waiting.splice(0)) each.reject(failure);
    if (!this.#hasFailed) this.#options.onFailure(failure);
    this.#hasFailed = true;
  }
}

const changed = {
  status: 503,
  reason: "the log was removed, or its keys were changed, while this was under way: send it again",
} as const;

function originOf({ admitted }: Admission): string {
  return admitted.request.parsed.origin;
}

/** The log's own lines that were verified, one of each key. What strangers signed is not handed on. */
function verifiedLines({ request, verified }: Admitted): NoteSignature[] {
  const lines = verified.map(({ vkey }) =>
    request.note.signatures.find(({ name, keyId }) => name === vkey.name && keyId === vkey.id),
  );
  assert(!lines.includes(undefined), "a verified key has a line");
  return lines.filter((line) => line !== undefined);
}

/** Whether a refused checkpoint is kept: the log signed it, and it does not agree with what we hold. */
function evidenceKind({ waiting, decision, before }: Decided): EvidenceKind | undefined {
  const { size, root } = waiting.admitted.request.parsed;
  // Also where the sender named another old size, so that the answer is 409: the two signatures are what counts.
  if (before !== undefined && size === before.size && !isSameBytes(root, before.root))
    return "split";
  if (decision.status !== 422) return undefined;
  return decision.because === "empty-root" ? "split" : "unproven";
}
