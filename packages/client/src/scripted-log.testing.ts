/**
 * Not a test: the log that the client's tests talk to. A real HTTP server on loopback, with a real
 * tree and real signatures, that follows docs/spec/http.md and does what its script says: each POST
 * takes the next step, and once the script is used up everything goes well. And a clock that does
 * not wait.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import {
  base64,
  consistencyProof,
  cosignCheckpoint,
  cosigner,
  entryByteLengthMax,
  formatNote,
  formatTlogProof,
  formatVkey,
  genesisPrev,
  hashChildren,
  hashLeaf,
  inclusionProof,
  noteSigner,
  parseNote,
  rangeRoot,
  signCheckpoint,
  utf8,
  writeEntry,
  type Hash,
  type NoteSigner,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import type { Clock } from "./platform.ts";

const { sha256 } = nodeCrypto;

export type Step =
  | "ok"
  /** The connection breaks before anything was recorded, or after all was. */
  | "drop before"
  | "drop after"
  /** No answer, ever. */
  | "hang"
  /** Answers only once `release` is called. */
  | "hold"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly code?: string }
  /** Any bytes as the answer. */
  | { readonly body: string; readonly type?: string }
  /** The good answer, changed. */
  | { readonly forge: (answer: BatchJson) => void };

export interface BatchJson {
  recorded: number;
  refused: number;
  checkpoint?: string;
  results: { seq?: number; leafHash?: string; duplicate?: boolean; error?: unknown }[];
}

export interface SeenRequest {
  readonly ids: string[];
  readonly body: string;
  readonly byteLength: number;
  readonly encoding: string | undefined;
  readonly authorization: string | undefined;
}

export class ScriptedLog {
  readonly origin = "example.com/scripted";
  readonly script: Step[] = [];
  readonly requests: SeenRequest[] = [];
  /** Requests of more events than this get a 413. */
  eventsMax = Number.POSITIVE_INFINITY;
  /** Events with this `action` are refused, one by one. */
  readonly refusedAction = "refuse me";
  entries: Uint8Array[] = [];
  /** What a lying log writes down in the place of an event. */
  alter = (text: string): string => text;
  /** Requests left hanging that the client gave up. */
  connectionsLost = 0;
  /** Paths of the GET requests, in order. */
  readonly reads: string[] = [];
  /** How much of it is published. Default: all. */
  publishedSize: number | undefined;
  /** Who cosigns what is published. */
  cosigners: readonly NoteSigner[] = [];
  /** Shown instead of the published checkpoint; a rejection is a 503. */
  shows: (() => Promise<string>) | undefined;
  release = (): void => {};
  url = "";
  readonly #places = new Map<string, { seq: number; text: string }>();
  #leaves: Hash[] = [];
  #signer: NoteSigner;
  readonly #server: Server;

  private constructor(signer: NoteSigner) {
    this.#signer = signer;
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  static async open(): Promise<ScriptedLog> {
    const log = new ScriptedLog(await scriptedSigner("example.com/scripted", 7));
    await new Promise<void>((resolve) => log.#server.listen(0, "127.0.0.1", resolve));
    log.url = `http://127.0.0.1:${(log.#server.address() as AddressInfo).port}`;
    return log;
  }

  get vkey(): string {
    return formatVkey(this.#signer.vkey);
  }

  /** The events' ids in the order of the log. */
  get recordedIds(): string[] {
    return [...this.#places.keys()];
  }

  get recordedEvents(): string[] {
    return [...this.#places.values()].map((place) => place.text);
  }

  /** Ends what an honest log never does: its past, from `size` on. */
  rollBack(size: number): void {
    this.entries = this.entries.slice(0, size);
    this.#leaves = this.#leaves.slice(0, size);
    for (const [id, { seq }] of this.#places) if (seq >= size) this.#places.delete(id);
  }

  async signAs(name: string, seed: number): Promise<void> {
    this.#signer = await scriptedSigner(name, seed);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  checkpoint(size = this.#leaves.length): Promise<string> {
    const { name: origin } = this.#signer.vkey;
    return signCheckpoint([this.#signer], { origin, size, root: this.#root(size) });
  }

  async published(): Promise<string> {
    const note = parseNote(utf8(await this.checkpoint(this.publishedSize)));
    const lines = await cosignCheckpoint(this.cosigners, note.text, 1_795_410_000);
    return formatNote(note.text, [...note.signatures, ...lines]);
  }

  /** Records an event that nobody sent. */
  append(id: string): void {
    this.#push(id, JSON.stringify({ id }));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const bytes = Buffer.concat(pieces);
    if (request.method === "POST") return await this.#record(request, bytes, response);
    this.reads.push(request.url!);
    const url = new URL(request.url!, this.url);
    const kind = url.searchParams.get("kind") ?? url.searchParams.get("checkpoint");
    const isPublished = kind === "published";
    const [, seqText, isProof] = /\/events\/(\d+)(\/proof)?$/.exec(url.pathname) ?? [];
    if (url.pathname.endsWith("/consistency")) return this.#consistency(url.searchParams, response);
    if (url.pathname.endsWith("/checkpoint")) {
      const note = isPublished ? (this.shows ?? (() => this.published()))() : this.checkpoint();
      return note.then(
        (text) => void response.end(text),
        () => problem(response, { status: 503, code: "unavailable" }),
      );
    }
    if (url.pathname.endsWith("/events")) return this.#range(url.searchParams, response);
    if (seqText === undefined) return void response.end(JSON.stringify(this.#info()));
    const seq = Number(seqText);
    if (seq >= this.entries.length) return problem(response, { status: 404, code: "not_found" });
    if (isProof === undefined) return void response.end(this.entries[seq]);
    const size = isPublished ? (this.publishedSize ?? this.#leaves.length) : this.#leaves.length;
    if (seq >= size) return problem(response, { status: 503, code: "unavailable" });
    const note = isPublished ? await this.published() : await this.checkpoint();
    return void response.end(this.#proof(seq, size, note, request.headers.accept ?? ""));
  }

  async #record(request: IncomingMessage, raw: Buffer, response: ServerResponse): Promise<void> {
    const encoding = request.headers["content-encoding"];
    const body = (encoding === "gzip" ? gunzipSync(raw) : raw).toString();
    const lines = body.split("\n").filter((line) => line !== "");
    const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id);
    const { authorization } = request.headers;
    this.requests.push({ ids, body, byteLength: raw.length, encoding, authorization });
    if (lines.length > this.eventsMax) return problem(response, { status: 413, code: "too_large" });
    const step = this.script.shift() ?? "ok";
    if (step === "drop before") return void request.socket.destroy();
    if (step === "hang") return void response.once("close", () => this.connectionsLost++);
    if (typeof step === "object" && "status" in step) return problem(response, step);
    if (typeof step === "object" && "body" in step) {
      response.setHeader("content-type", step.type ?? "application/json");
      return void response.end(step.body);
    }
    if (step === "hold") await new Promise<void>((resolve) => (this.release = resolve));
    const answer = await this.#append(lines);
    if (step === "drop after") return void request.socket.destroy();
    if (typeof step === "object") step.forge(answer);
    response.statusCode = answer.recorded === 0 ? 422 : answer.refused > 0 ? 207 : 200;
    response.setHeader("content-type", "application/json; charset=utf-8");
    response.end(JSON.stringify(answer));
  }

  async #append(lines: readonly string[]): Promise<BatchJson> {
    const results = lines.map((text) => {
      const { id, action } = JSON.parse(text) as { id: string; action: string };
      const before = this.#places.get(id);
      if (action === this.refusedAction) return refused("invalid", 422);
      if (before !== undefined && before.text !== text) return refused("conflict", 409);
      const seq = before?.seq ?? this.#push(id, text);
      const result = { seq, leafHash: base64(this.#leaves[seq]!) };
      return before === undefined ? result : { ...result, duplicate: true };
    });
    const recorded = results.filter((result) => "seq" in result).length;
    const checkpoint = recorded === 0 ? {} : { checkpoint: await this.checkpoint() };
    return { recorded, refused: results.length - recorded, ...checkpoint, results };
  }

  #push(id: string, text: string): number {
    const seq = this.entries.length;
    const head = {
      seq,
      prev: this.#leaves.at(-1) ?? genesisPrev(),
      salt: new Uint8Array(18),
      time: "2026-11-23T05:00:00.123Z",
      source: "scripted",
    };
    const out = new Uint8Array(entryByteLengthMax);
    const event = utf8(this.alter(text));
    const entry = out.slice(0, writeEntry(out, 0, head, event, 0, event.length));
    this.entries.push(entry);
    this.#leaves.push(hashLeaf(sha256, entry));
    this.#places.set(id, { seq, text });
    return seq;
  }

  #range(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("from") ?? 0);
    const limit = Number(query.get("limit") ?? 3);
    const to = Math.min(Number(query.get("to") ?? this.entries.length), from + limit);
    response.setHeader("cairn-next", String(Math.max(from, Math.min(to, this.entries.length))));
    for (const entry of this.entries.slice(from, to)) {
      // Two writes for a line, so that lines are met in pieces.
      response.write(entry.subarray(0, 100));
      response.write(entry.subarray(100));
      response.write("\n");
    }
    response.end();
  }

  #consistency(query: URLSearchParams, response: ServerResponse): void {
    const to = Number(query.get("to"));
    const read = (level: number, index: number): Hash => this.#node(level, index);
    if (to > this.#leaves.length) return problem(response, { status: 404, code: "not_found" });
    const proofs = query
      .get("from")!
      .split(",")
      .map(Number)
      .map((from) => ({ from, proof: consistencyProof(sha256, from, to, read).map(base64) }));
    response.end(JSON.stringify(proofs.length > 1 ? { to, proofs } : { to, ...proofs[0] }));
  }

  #proof(seq: number, size: number, checkpoint: string, accept: string): string {
    const proof = inclusionProof(sha256, seq, size, (level, index) => this.#node(level, index));
    const extra = this.entries[seq]!;
    if (accept !== "application/json") {
      return formatTlogProof({ extra, index: seq, proof, checkpoint });
    }
    const leafHash = base64(this.#leaves[seq]!);
    const entry = Buffer.from(extra).toString();
    const { origin } = this;
    return JSON.stringify({ origin, seq, leafHash, proof: proof.map(base64), checkpoint, entry });
  }

  #info(): object {
    const size = this.entries.length;
    const sizes = { size, sealedSize: 0, publishedSize: size };
    return { name: "main", origin: this.origin, vkeys: [this.vkey], public: false, ...sizes };
  }

  #node(level: number, index: number): Hash {
    if (level === 0) return this.#leaves[index]!;
    const [left, right] = [this.#node(level - 1, 2 * index), this.#node(level - 1, 2 * index + 1)];
    return hashChildren(sha256, left, right);
  }

  #root(size: number): Hash {
    return rangeRoot(sha256, Buffer.concat(this.#leaves.slice(0, size)));
  }
}

/**
 * A clock on which nobody waits: short delays are noted in `delays` and over at the next turn of
 * the event loop. Delays from 20 s on are time limits; they end only by `expire`. While `isHeld`,
 * short ones wait for it too.
 */
export class FastClock implements Clock {
  ms = Date.UTC(2026, 10, 23, 5);
  isHeld = false;
  readonly delays: number[] = [];
  readonly #held = new Map<() => void, number>();

  now(): number {
    return this.ms;
  }

  after(ms: number, run: () => void): () => void {
    if (ms < 20_000) this.delays.push(ms);
    if (ms >= 20_000 || this.isHeld) {
      const timer = (): void => run();
      this.#held.set(timer, ms);
      return () => this.#held.delete(timer);
    }
    const turn = setImmediate(() => {
      this.ms += ms;
      run();
    });
    return () => clearImmediate(turn);
  }

  get heldDelays(): number[] {
    return [...this.#held.values()];
  }

  /** Lets `ms` pass for every timer that is held. */
  expire(ms: number): void {
    this.ms += ms;
    for (const [timer, delay] of Array.from(this.#held)) {
      if (delay > ms) continue;
      this.#held.delete(timer);
      timer();
    }
  }
}

/** Lets the event loop turn until `isSo`. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    if (turns > 20_000) throw new Error("it does not come to pass");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A witness's key. */
export function scriptedWitness(name: string): NoteSigner {
  return cosigner(sha256, `witness.example/${name}`, signerFromSeed("ed25519", sha256(utf8(name))));
}

async function scriptedSigner(name: string, seed: number): Promise<NoteSigner> {
  const signer = signerFromSeed("ed25519", new Uint8Array(32).fill(seed));
  return noteSigner(sha256, name, signer);
}

function refused(code: string, status: number): { error: unknown } {
  const detail = `/action: ${code}`;
  return {
    error: { type: `/errors/${code}`, title: "", status, detail, code, pointer: "/action" },
  };
}

function problem(response: ServerResponse, step: Extract<Step, { status: number }>): void {
  response.statusCode = step.status;
  response.setHeader("content-type", "application/problem+json");
  for (const [name, value] of Object.entries(step.headers ?? {})) response.setHeader(name, value);
  const { status, code } = step;
  response.end(JSON.stringify({ status, detail: "as the script says", ...(code && { code }) }));
}
