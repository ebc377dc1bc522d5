/**
 * One witness as its log sees it (C2SP tlog-witness, `add-checkpoint`): which size it cosigned last, how to bring it
 * from there to a newer one, and how it is doing.
 *
 * One request is in flight per witness, never two. What a witness holds is not kept anywhere: a log that does not
 * know asks with `old 0`, and the 409 names the size. A server may sign with several keys of the policy: they share
 * its answers.
 *
 * Nothing that a witness says is believed but a cosignature that verifies.
 */
import {
  assert,
  CairnError,
  clockSkewSecondsMax,
  formatAddCheckpoint,
  hex,
  isCairnError,
  parseCosignatureLines,
  parseTimestampedSignature,
  parseTreeSizeBody,
  utf8,
  verifyConsistency,
  verifyCosignatures,
  type Hash,
  type NoteSignature,
  type PolicyWitness,
} from "@cairnlog/core";
import type { Clock } from "./clock.ts";
import type { SignedCheckpoint } from "./log.ts";
import { findProof, shownAnswer, type OwnTree, type WitnessConflict } from "./witness-conflict.ts";
import type { WitnessRequest, WitnessResponse, WitnessTransport } from "./witness-transport.ts";

const backOffMsMin = 500;
const backOffMsMax = 30_000;
/** A witness that names another size each time is not caught up with for ever. */
const requestsMax = 4;

/** `unknown`: not heard of yet. `failing`: the last request brought no cosignature. */
export type WitnessState = "unknown" | "cosigning" | "failing" | "conflict";

export interface WitnessHealth {
  /** As the policy calls it. */
  readonly name: string;
  readonly url: string;
  readonly state: WitnessState;
  /** The size that it cosigned last, and when, by its own clock (seconds since 1970). */
  readonly size: number | undefined;
  readonly timestamp: number | undefined;
  /** Why its last request brought no cosignature. */
  readonly error: string | undefined;
}

export interface Cosignature {
  readonly witness: PolicyWitness;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly signature: NoteSignature;
}

export type WitnessAnswer =
  | { readonly kind: "cosigned"; readonly cosignatures: readonly Cosignature[] }
  | { readonly kind: "failed"; readonly error: string }
  | { readonly kind: "conflict"; readonly conflict: WitnessConflict };

export interface WitnessClientParts {
  readonly tree: OwnTree & {
    consistencyProof(size1: number, size2: number): Promise<readonly Hash[]>;
  };
  readonly clock: Clock;
  readonly transport: WitnessTransport;
  readonly timeoutMs: number;
  /** In [0, 1): spreads the back-off, so that many logs do not knock at the same moment. */
  readonly random: () => number;
}

/** What is sent, and what it builds on. */
interface Request {
  readonly old: number;
  readonly proof: readonly Hash[];
  readonly body: Uint8Array<ArrayBuffer>;
}

export class WitnessClient {
  readonly url: string;
  readonly witnesses: readonly PolicyWitness[];
  readonly #parts: WitnessClientParts;
  readonly #last = new Map<PolicyWitness, Cosignature & { readonly size: number }>();
  #closed = false;
  /** Ends what is in flight. */
  #abort: AbortController | undefined;
  /** The size that it holds, as far as we know. */
  #held = 0;
  #busy: Promise<WitnessAnswer> | undefined;
  #newest: SignedCheckpoint | undefined;
  #state: WitnessState = "unknown";
  #error: string | undefined;
  #failures = 0;
  /** Not asked again before this moment of the monotonic clock. */
  #notBefore = 0;

  constructor(url: string, witnesses: readonly PolicyWitness[], parts: WitnessClientParts) {
    this.url = url;
    this.witnesses = witnesses;
    this.#parts = parts;
  }

  /** For messages. */
  get name(): string {
    return this.witnesses.map(({ name }) => name.toWellFormed()).join("/");
  }

  health(): WitnessHealth[] {
    return this.witnesses.map((witness) => {
      const last = this.#last.get(witness);
      const isMissing = this.#state === "cosigning" && last?.size !== this.#held;
      return {
        name: witness.name.toWellFormed(),
        url: this.url,
        size: last?.size,
        timestamp: last?.timestamp,
        state: isMissing ? "failing" : this.#state,
        error: isMissing ? "it did not sign with this key" : this.#error,
      };
    });
  }

  /**
   * Asks for cosignatures on `target`, once what is in flight is answered. Of those that wait, only the newest target
   * is sent. Rejects only for a broken invariant.
   */
  async cosign(target: SignedCheckpoint): Promise<WitnessAnswer> {
    this.#newest = target;
    // Each turn of this loop waits for one request, which has a time limit.
    while (this.#busy !== undefined) await this.#busy;
    if (this.#newest !== target) return failed("a newer checkpoint was sent instead");
    if (this.#closed) return failed("the log is closing");
    if (this.#parts.clock.monotonic() < this.#notBefore) {
      return failed(this.#error ?? "it is not asked again yet");
    }
    this.#busy = this.#ask(target).finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  /** Gives up what is in flight. */
  close(): void {
    this.#closed = true;
    this.#abort?.abort(new CairnError("unavailable", "the log is closing"));
  }

  async #ask(target: SignedCheckpoint): Promise<WitnessAnswer> {
    let answer: WitnessAnswer;
    try {
      answer = await this.#catchUp(target);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      answer = failed(error.message);
    }
    if (answer.kind === "cosigned") {
      this.#failures = 0;
      this.#state = "cosigning";
      this.#error = undefined;
      return answer;
    }
    this.#state = answer.kind === "conflict" ? "conflict" : "failing";
    this.#error =
      answer.kind === "conflict" ? "it holds another history of this log" : answer.error;
    const most = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(this.#failures++, 16));
    const delayMs = most * (0.5 + this.#parts.random() / 2);
    this.#notBefore = this.#parts.clock.monotonic() + delayMs;
    return answer;
  }

  async #catchUp(target: SignedCheckpoint): Promise<WitnessAnswer> {
    for (let i = 0; i < requestsMax; i++) {
      const request = await this.#request(target);
      const response = await this.#send({
        method: "POST",
        url: `${this.url}/add-checkpoint`,
        body: request.body,
      });
      const { status, body } = response;
      if (status === 200) return await this.#cosigned(target, body);
      if (status === 409) {
        const size = parseTreeSizeBody(body);
        if (size !== request.old) {
          if (size > this.#parts.tree.durableSize()) {
            return await this.#conflict("larger-tree", size, request, response);
          }
          if (size > target.size) return failed(`it already holds ${size} entries`);
          this.#held = size;
          continue;
        }
        // It agrees with the old size, and refuses all the same: so an older version of the protocol says "another
        // root".
      } else if (status !== 422) {
        return failed(refusal(status, body));
      }
      // From nothing, everything is consistent: what is refused here is no mismatch.
      if (request.old === 0) return failed(refusal(status, body));
      await this.#checkProof(request, target);
      return await this.#conflict("other-root", request.old, request, response);
    }
    return failed("it names another size each time");
  }

  async #request(target: SignedCheckpoint): Promise<Request> {
    const old = this.#held;
    assert(old <= target.size, "a target is not smaller than what a witness cosigned");
    const proof = old === 0 ? [] : await this.#parts.tree.consistencyProof(old, target.size);
    const body = Uint8Array.from(
      utf8(formatAddCheckpoint({ oldSize: old, proof, checkpoint: target.note })),
    );
    return { old, proof, body };
  }

  /** Before we cry: is the proof that we sent one that holds? If not, the damage is here. */
  async #checkProof({ old, proof }: Request, target: SignedCheckpoint): Promise<void> {
    const { tree } = this.#parts;
    const root1 = await tree.root(old);
    const claim = { size1: old, root1, size2: target.size, root2: target.root, proof };
    verifyConsistency(tree.crypto.sha256, claim);
  }

  /** The cosignatures of an answer, one for each key. */
  async #cosigned(target: SignedCheckpoint, body: Uint8Array): Promise<WitnessAnswer> {
    const text = target.note.slice(0, target.note.indexOf("\n\n") + 1);
    const vkeys = this.witnesses.map(({ vkey }) => vkey);
    const answered = parseCosignatureLines(body);
    const { crypto } = this.#parts.tree;
    const { lines, verified } = await verifyCosignatures(crypto, text, answered, vkeys);
    const cosignatures: Cosignature[] = [];
    const latest = this.#parts.clock.now() / 1000 + clockSkewSecondsMax;
    for (const { vkey, timestamp } of verified) {
      const witness = this.witnesses.find((each) => each.vkey === vkey);
      // A key may have signed twice: the newest is the one that counts.
      const signature = lines.find(
        (line) =>
          line.name === vkey.name &&
          line.keyId === vkey.id &&
          parseTimestampedSignature(line.signature).timestamp === timestamp,
      );
      assert(witness !== undefined && signature !== undefined, "a verified key signed a line");
      assert(timestamp !== undefined, "a witness's key has a type with a timestamp");
      // No verifier would count it.
      if (timestamp > latest) return failed("its clock is ahead of ours");
      cosignatures.push({ witness, timestamp, signature });
      this.#last.set(witness, { witness, timestamp, signature, size: target.size });
    }
    this.#held = target.size;
    return { kind: "cosigned", cosignatures };
  }

  async #conflict(
    kind: "other-root" | "larger-tree",
    size: number,
    { body }: Request,
    { status, body: answer }: WitnessResponse,
  ): Promise<WitnessAnswer> {
    const { tree } = this.#parts;
    const served = await this.#served();
    const proof = served === undefined ? undefined : await findProof(served, tree);
    const conflict: WitnessConflict = {
      witness: this.name,
      url: this.url,
      claim: { kind, size },
      ourSize: tree.durableSize(),
      sent: body,
      status,
      answer,
      served,
      proof,
    };
    return { kind: "conflict", conflict };
  }

  /** The checkpoint that the witness shows to everybody; undefined where it shows none. */
  async #served(): Promise<Uint8Array | undefined> {
    const { origin, crypto } = this.#parts.tree;
    const url = `${this.url}/${hex(crypto.sha256(utf8(origin)))}/checkpoint`;
    try {
      const { status, body } = await this.#send({ method: "GET", url });
      return status === 200 ? body : undefined;
    } catch (error) {
      if (isCairnError(error)) return undefined;
      throw error;
    }
  }

  /** One request, within the time limit, whatever the transport does. */
  async #send(request: Omit<WitnessRequest, "signal">): Promise<WitnessResponse> {
    const { clock, transport, timeoutMs } = this.#parts;
    if (this.#closed) throw new CairnError("unavailable", "the log is closing");
    const abort = new AbortController();
    this.#abort = abort;
    const late = (): void =>
      abort.abort(new CairnError("timeout", `no answer within ${timeoutMs} ms`));
    const timer = clock.setTimer(late, timeoutMs);
    const { signal } = abort;
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as CairnError), { once: true });
    });
    try {
      return await Promise.race([transport({ ...request, signal }), aborted]);
    } catch (cause) {
      throw isCairnError(cause) ? cause : new CairnError("unavailable", reasonOf(cause), { cause });
    } finally {
      timer.cancel();
      this.#abort = undefined;
    }
  }
}

function failed(error: string): WitnessAnswer {
  return { kind: "failed", error };
}

function refusal(status: number, body: Uint8Array): string {
  const said = `it answered ${status}, ${shownAnswer(body)}`;
  if (status === 404) return `${said}: it does not know this log; give its operator the log's keys`;
  if (status === 403) return `${said}: it knows this log by other keys`;
  return said;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `fetch` says "fetch failed", and why in its cause.
  const { cause } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}
