/**
 * Not a test: a log behind a `fetch`, without a network. It records what it is sent once for each id,
 * answers as docs/spec/http.md says, can be away, and can lose its answers.
 */
import { base64, noteSigner, signCheckpoint, utf8, type NoteSigner } from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { gunzipSync } from "node:zlib";

const { sha256 } = nodeCrypto;
const origin = "example.com/fake";

export interface FakeEvent {
  readonly id: string;
  readonly action: string;
  readonly sequence: { readonly stream: string; readonly number: number };
}

export class FakeLog {
  readonly texts: string[] = [];
  isAway = false;
  /** Records, and loses the answer. */
  losesAnswers = false;
  /** Status of every answer to events, in the place of the good one. */
  refusesWith: number | undefined;
  /** Events of this action are refused one by one. */
  readonly refusedAction = "refuse me";
  requests = 0;
  /** Bodies of heartbeats. */
  readonly heartbeats: string[] = [];
  heartbeatStatus = 200;
  readonly #seqs = new Map<string, number>();
  readonly #signer: NoteSigner = noteSigner(
    sha256,
    origin,
    signerFromSeed("ed25519", new Uint8Array(32).fill(5)),
  );

  get events(): FakeEvent[] {
    return this.texts.map((text) => JSON.parse(text) as FakeEvent);
  }

  /** The numbers of one stream, in the order in which they were recorded. */
  numbersOf(stream: string): number[] {
    const own = this.events.filter(({ sequence }) => sequence.stream === stream);
    return own.map(({ sequence }) => sequence.number);
  }

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (this.isAway) throw new TypeError("fetch failed");
    if (url.endsWith("/heartbeat")) {
      this.heartbeats.push(init.body as string);
      return new Response("{}", { status: this.heartbeatStatus });
    }
    this.requests++;
    if (this.refusesWith !== undefined) return problem(this.refusesWith);
    const body = init.body as string | Uint8Array<ArrayBuffer>;
    const text = typeof body === "string" ? body : gunzipSync(body).toString();
    const results = text
      .trimEnd()
      .split("\n")
      .map((line) => this.#record(line));
    if (this.losesAnswers) throw new TypeError("fetch failed");
    const size = this.texts.length;
    const root = new Uint8Array(32);
    const checkpoint = await signCheckpoint([this.#signer], { origin, size, root });
    const recorded = results.filter((result) => "seq" in result).length;
    const answer = {
      recorded,
      refused: results.length - recorded,
      ...(recorded === 0 ? {} : { checkpoint }),
      results,
    };
    const status = recorded === results.length ? 200 : recorded === 0 ? 422 : 207;
    return Response.json(answer, { status });
  };

  #record(text: string): object {
    const { id, action } = JSON.parse(text) as FakeEvent;
    if (action === this.refusedAction) {
      return { error: { type: "/errors/invalid", status: 422, code: "invalid", detail: "no" } };
    }
    const known = this.#seqs.get(id);
    const seq = known ?? this.texts.push(text) - 1;
    this.#seqs.set(id, seq);
    const leafHash = base64(sha256(utf8(text)));
    return known === undefined ? { seq, leafHash } : { seq, leafHash, duplicate: true };
  }
}

function problem(status: number): Response {
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify({ status, detail: "as the test says" }), { status, headers });
}
