/**
 * A log's witnesses together: the policy that says which of them are enough, a client for each server, rounds, and what
 * becomes of one that contradicts the log.
 *
 * What it is not: it signs nothing and publishes nothing (`publisher.ts`), and it does not decide who may append
 * (`witness-gate.ts`).
 */
import {
  CairnError,
  formatVkey,
  isQuorum,
  noteSignaturesMax,
  parseVkey,
  type Crypto,
  type Hash,
  type Policy,
  type PolicyWitness,
} from "@cairnlog/core";
import type { LogStore } from "@cairnlog/store";
import type { Clock } from "./clock.ts";
import type { LogSettings } from "./identity.ts";
import type { SignedCheckpoint } from "./log.ts";
import { WitnessClient, type WitnessHealth } from "./witness-client.ts";
import {
  conflictError,
  keepEvidence,
  type KeptEvidence,
  type WitnessConflict,
} from "./witness-conflict.ts";
import { Round } from "./witness-round.ts";
import { fetchTransport, type WitnessTransport } from "./witness-transport.ts";

/** How a log is witnessed. */
export interface WitnessOptions {
  /**
   * Who the witnesses are, where they are asked (the URL is the submission prefix of tlog-witness), and which of them
   * are a quorum. Where it names logs, this one must be among them.
   */
  readonly policy: Policy;
  /** Acknowledgements wait until a checkpoint with a quorum covers them. Default: false. */
  readonly requireQuorum?: boolean;
  /** Appends from the start, although no quorum has answered; the log records that it did. Default: false. */
  readonly startWithoutQuorum?: boolean;
  /** For one request to a witness. Default 5,000 ms. */
  readonly timeoutMs?: number;
  /** An idle log is cosigned again so long after it was the last time. Default 60,000 ms. */
  readonly idleMs?: number;
  /** With `requireQuorum`, an acknowledgement waits so long for its quorum. Default 30,000 ms. */
  readonly quorumWaitMs?: number;
  /** Default: `fetch`. */
  readonly transport?: WitnessTransport;
}

export interface WitnessingParts {
  readonly options: WitnessOptions;
  readonly settings: LogSettings;
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly randomBytes: (byteLength: number) => Uint8Array;
  readonly history: {
    readonly root: (size: number) => Promise<Hash>;
    consistencyProof(size1: number, size2: number): Promise<readonly Hash[]>;
  };
  /** Entries that are durable now. */
  readonly durableSize: () => number;
}

/** A conflict, and where its evidence lies. */
export interface RecordedConflict {
  readonly conflict: WitnessConflict;
  readonly error: CairnError;
  readonly evidence: KeptEvidence | undefined;
}

/** The log's own two signatures stand in the same note. */
const witnessesMax = noteSignaturesMax - 2;

export class Witnessing {
  readonly policy: Policy;
  readonly #parts: WitnessingParts;
  readonly #clients: readonly WitnessClient[];
  /** By URL. A witness that goes on contradicting us says nothing new, until it can prove it. */
  readonly #conflicts = new Map<string, RecordedConflict>();
  /** Called once for each conflict, when its evidence is kept. */
  onConflict: ((recorded: RecordedConflict) => void) | undefined;

  constructor(parts: WitnessingParts) {
    const { options, settings, crypto, clock, history } = parts;
    this.policy = options.policy;
    this.#parts = parts;
    const vkeys = settings.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    checkPolicy(options.policy, settings);
    this.#clients = [...byUrl(options.policy)].map(
      ([url, witnesses]) =>
        new WitnessClient(url, witnesses, {
          tree: {
            origin: settings.origin,
            vkeys,
            crypto,
            durableSize: () => parts.durableSize(),
            root: (size) => history.root(size),
            consistencyProof: (size1, size2) => history.consistencyProof(size1, size2),
          },
          clock,
          transport: options.transport ?? fetchTransport,
          timeoutMs: options.timeoutMs ?? 5000,
          random: () => this.#random(),
        }),
    );
  }

  get conflicts(): readonly RecordedConflict[] {
    return [...this.#conflicts.values()];
  }

  health(): WitnessHealth[] {
    return this.#clients.flatMap((client) => client.health());
  }

  /** Sends a checkpoint with the log's signatures to all witnesses. */
  round(target: SignedCheckpoint): Round {
    return new Round(target, {
      logName: this.#parts.settings.name,
      policy: this.policy,
      clients: this.#clients,
      conflict: (conflict) => this.#conflict(conflict),
    });
  }

  /** Gives up what is in flight. */
  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #conflict(conflict: WitnessConflict): Promise<void> {
    const known = this.#conflicts.get(conflict.url);
    if (known !== undefined && (conflict.proof === undefined || known.conflict.proof !== undefined))
      return;
    const { store, crypto, clock, settings } = this.#parts;
    const error = conflictError(settings.name, conflict);
    // The alarm must ring where the disk is full, too.
    const evidence = await keepEvidence(store, crypto, conflict, clock.now()).catch(
      () => undefined,
    );
    const recorded = { conflict, error, evidence };
    this.#conflicts.set(conflict.url, recorded);
    this.onConflict?.(recorded);
  }

  #random(): number {
    const bytes = this.#parts.randomBytes(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32;
  }
}

/** Witnesses by the server that is asked for them. */
function byUrl(policy: Policy): Map<string, PolicyWitness[]> {
  const servers = new Map<string, PolicyWitness[]>();
  for (const witness of policy.witnesses) {
    if (witness.url === undefined) continue;
    const url = witness.url.replace(/\/+$/, "");
    const others = servers.get(url);
    if (others === undefined) servers.set(url, [witness]);
    else others.push(witness);
  }
  return servers;
}

/** Refuses a policy under which this log could never publish. */
function checkPolicy(policy: Policy, { name, vkeys }: LogSettings): void {
  const refuse = (why: string): CairnError =>
    new CairnError("usage", `the witness policy of the log ${name}: ${why}`, {
      place: { log: name },
    });
  const named = policy.logs.map(({ vkey }) => formatVkey(vkey));
  if (named.length > 0 && !named.some((vkey) => vkeys.includes(vkey))) {
    throw refuse("it names logs, and this one is not among them; add it, or leave logs out");
  }
  if (policy.witnesses.length > witnessesMax) {
    throw refuse(`a note has room for ${witnessesMax} witnesses, not ${policy.witnesses.length}`);
  }
  const asked = policy.witnesses.filter(({ url }) => url !== undefined);
  for (const { name: witness, url } of asked) {
    if (url === undefined || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)))
      continue;
    throw refuse(`the URL of the witness ${JSON.stringify(witness)} is not one of http or https`);
  }
  if (
    !isQuorum(
      policy,
      asked.map(({ name: witness }) => witness),
    )
  ) {
    throw refuse("the witnesses that have a URL are no quorum; add the URLs of the others");
  }
}
