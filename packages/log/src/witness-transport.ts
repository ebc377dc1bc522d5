/**
 * How a log's requests reach its witnesses: one function, so that tests and other networks bring their own. The default
 * is Node's `fetch`, which keeps connections alive.
 *
 * It knows nothing of witnesses. It does not follow redirects: whoever could redirect would choose who answers.
 */
import { CairnError, noteBytesMax } from "@cairnlog/core";

export interface WitnessRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** Of a POST. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface WitnessResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Resolves with whatever the witness answered, of any status. Rejects where there is no whole answer. */
export type WitnessTransport = (request: WitnessRequest) => Promise<WitnessResponse>;

/** No answer of a witness is larger than a note. */
export const answerBytesMax = noteBytesMax;

export const fetchTransport: WitnessTransport = async ({ method, url, body, signal }) => {
  const response = await fetch(url, {
    method,
    signal,
    redirect: "error",
    headers: { "user-agent": "cairn" },
    ...(body === undefined ? {} : { body }),
  });
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  // The types of a response's stream say nothing about its pieces; the standard says that they are bytes.
  const stream = (response.body ?? []) as AsyncIterable<Uint8Array> | readonly Uint8Array[];
  for await (const piece of stream) {
    byteLength += piece.length;
    if (byteLength > answerBytesMax) {
      throw new CairnError("too_large", `the answer has more than ${answerBytesMax} bytes`);
    }
    pieces.push(piece);
  }
  return { status: response.status, body: Buffer.concat(pieces) };
};
