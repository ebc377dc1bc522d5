/**
 * Witnesses for tests: they decide as the specification says (core's own decision), on a network in the test's hands,
 * where one can be down, hang, or lie. Not part of what is published.
 */
import assert from "node:assert/strict";
import {
  cosignCheckpoint,
  cosigner,
  decideAddCheckpoint,
  formatCosignatureLines,
  formatNote,
  formatTreeSizeBody,
  formatVkey,
  hex,
  parseAddCheckpoint,
  parsePolicy,
  parseVkey,
  utf8,
  type NoteSigner,
  type ParsedAddCheckpoint,
  type Policy,
  type Vkey,
  type WitnessState,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import type { Clock, WitnessRequest, WitnessResponse } from "./index.ts";

const { sha256 } = nodeCrypto;

type Answer = WitnessResponse | Promise<WitnessResponse>;

export class TestWitness {
  readonly name: string;
  readonly url: string;
  readonly cosigners: readonly NoteSigner[];
  /** Every request's `old` size and checkpoint size, in order. */
  readonly asked: { readonly old: number; readonly size: number; readonly atMs: number }[] = [];
  /** So many requests were open at once. */
  mostInFlight = 0;
  held: WitnessState | undefined;
  /** What it serves; undefined: a 404. */
  served: string | undefined;
  /** Stands in the way of the usual answer, where it gives one. */
  interfere: ((request: WitnessRequest) => Answer | undefined) | undefined;
  readonly #clock: Clock;
  #logKeys: readonly Vkey[] | undefined;
  #inFlight = 0;

  /** It signs with an Ed25519 key; `withMlDsa` with one of ML-DSA-44 as well. */
  constructor(name: string, clock: Clock, withMlDsa = false) {
    this.name = name;
    this.url = `http://${name}.example`;
    this.#clock = clock;
    const seed = sha256(utf8(name));
    const key = (algorithm: "ed25519" | "ml-dsa-44"): NoteSigner =>
      cosigner(sha256, `witness.example/${name}`, signerFromSeed(algorithm, seed));
    this.cosigners = withMlDsa ? [key("ed25519"), key("ml-dsa-44")] : [key("ed25519")];
  }

  /** Gets to know a log by its keys. */
  knows(vkeys: readonly string[]): this {
    this.#logKeys = vkeys.map((vkey) => parseVkey(sha256, vkey));
    return this;
  }

  async answer(request: WitnessRequest): Promise<WitnessResponse> {
    this.#inFlight++;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    try {
      const { signal } = request;
      const aborted = new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
      });
      const parsed = request.method === "POST" ? parseAddCheckpoint(request.body!) : undefined;
      if (parsed !== undefined) {
        const atMs = this.#clock.monotonic();
        this.asked.push({ old: parsed.oldSize, size: parsed.parsed.size, atMs });
      }
      aborted.catch(() => {});
      return await Promise.race([this.interfere?.(request) ?? this.usual(request), aborted]);
    } finally {
      this.#inFlight--;
    }
  }

  /** What it answers where nothing stands in its way. */
  usual(request: WitnessRequest): Answer {
    const path = request.url.slice(this.url.length);
    return request.method === "GET" ? this.#serve(path) : this.#add(path, request.body!);
  }

  #serve(path: string): WitnessResponse {
    assert.match(path, /^\/[0-9a-f]{64}\/checkpoint$/);
    const isHeld = path === `/${hex(sha256(utf8(this.#logKeys![0]!.name)))}/checkpoint`;
    if (this.served === undefined || !isHeld) return answerOf(404, "");
    return answerOf(200, this.served);
  }

  async #add(path: string, body: Uint8Array): Promise<WitnessResponse> {
    assert.equal(path, "/add-checkpoint");
    const request = parseAddCheckpoint(body);
    const decision = await decideAddCheckpoint(nodeCrypto, request, this.#logKeys, this.held);
    if (decision.status === 409) return answerOf(409, formatTreeSizeBody(decision.size));
    if (decision.status !== 200) return answerOf(decision.status, `${decision.reason}\n`);
    this.held = decision.state;
    return answerOf(200, await this.#cosign(request));
  }

  async #cosign({ note }: ParsedAddCheckpoint): Promise<string> {
    const seconds = Math.floor(this.#clock.now() / 1000);
    const lines = await cosignCheckpoint(this.cosigners, note.text, seconds);
    this.served = formatNote(note.text, [...note.signatures, ...lines]);
    return formatCosignatureLines(lines);
  }
}

export function answerOf(status: number, body: string): WitnessResponse {
  return { status, body: utf8(body) };
}

/** A transport to these witnesses and nobody else. */
export function networkOf(
  witnesses: readonly TestWitness[],
): (request: WitnessRequest) => Promise<WitnessResponse> {
  return (request) => {
    const witness = witnesses.find(({ url }) => request.url.startsWith(`${url}/`));
    assert.ok(witness !== undefined, `no witness at ${request.url}`);
    return witness.answer(request);
  };
}

/** `threshold` of these witnesses are a quorum; of one with two keys, either is enough. */
export function policyOf(witnesses: readonly TestWitness[], threshold: number): Policy {
  let text = "";
  const members: string[] = [];
  for (const { name, url, cosigners } of witnesses) {
    const names = cosigners.map((_key, i) => (cosigners.length === 1 ? name : `${name}-${i}`));
    for (const [i, { vkey }] of cosigners.entries()) {
      text += `witness ${names[i]} ${formatVkey(vkey)} ${url}\n`;
    }
    if (names.length > 1) text += `group ${name} any ${names.join(" ")}\n`;
    members.push(name);
  }
  text += `group enough ${threshold} ${members.join(" ")}\nquorum enough\n`;
  return parsePolicy(sha256, utf8(text));
}

/** Lets everything go on until `isSo`. Nothing here waits for a clock but the system's threads. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (!isSo()) {
    assert.ok(performance.now() < giveUpAt, `it never came to this: ${what}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
