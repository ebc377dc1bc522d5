/** A request of a sender as its adapter sees it: decompressed, whole, with the very bytes that the sender signed. */
import type { IncomingMessage } from "node:http";
import { CairnError } from "@cairnlog/core";
import type { Delivery } from "@cairnlog/capture";
import type { BodyHold } from "../body-budget.ts";
import { readDeliveryFormat } from "../body-format.ts";
import { receiveBody } from "../event-body.ts";
import { roomFor, type BodySink } from "../event-sink.ts";
import type { Limits } from "../limits.ts";

/** All of a request but its body, which has not been looked at. */
export function deliveryHead(request: IncomingMessage, path: string): Omit<Delivery, "body"> {
  const { method = "GET", url = "" } = request;
  const mark = url.indexOf("?");
  const headers: Record<string, string> = {};
  // Not `headers`, which leaves the second of two away: a signature is checked over what was sent.
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (values !== undefined) headers[name] = values.join(", ");
  }
  const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
  return { method, path, query, headers };
}

/** The body. "too_large", "malformed" (no whole compressed stream), "unsupported_media", "overloaded", "timeout". */
export async function receiveDelivery(
  request: IncomingMessage,
  limits: Limits,
  hold: BodyHold,
): Promise<Uint8Array> {
  const format = readDeliveryFormat(request.headers);
  const factor = format.encoding === "identity" ? 1 : 2;
  return await receiveBody(request, format, limits, new WholeBody(limits, hold, factor));
}

class WholeBody implements BodySink<Uint8Array> {
  readonly #limits: Limits;
  readonly #charge: (bytes: number) => void;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(limits: Limits, hold: BodyHold, factor: number) {
    this.#limits = limits;
    this.#charge = (bytes) => hold.take(bytes * factor);
  }

  write(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#limits.jsonBytesMax) {
      const message = `a delivery has at most ${this.#limits.jsonBytesMax} bytes after decompression`;
      throw new CairnError("too_large", message);
    }
    this.#bytes = roomFor(this.#bytes, this.#length, length, this.#charge);
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
