/** Receives bodies of requests whole, within bounds for each and for all together. */
import type { IncomingMessage } from "node:http";

export interface ReceivedBody {
  readonly bytes: Uint8Array;
  /** To be called once nobody needs the bytes any more. */
  release(): void;
}

/** Why there is no body: more bytes than may be, no room for it now, or the sender has gone. */
export type BodyRefusal = "too large" | "no room" | "gone";

export class BodyReceiver {
  readonly #bytesMax: number;
  readonly #heldBytesMax: number;
  #heldBytes = 0;

  constructor(bytesMax: number, heldBytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#heldBytesMax = heldBytesMax;
  }

  receive(request: IncomingMessage): Promise<ReceivedBody | BodyRefusal> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let held = 0;
      const release = (): void => {
        this.#heldBytes -= held;
        held = 0;
      };
      const refuse = (why: BodyRefusal): void => {
        request.removeAllListeners("data").resume();
        chunks.length = 0;
        release();
        resolve(why);
      };
      request.on("data", (chunk: Buffer) => {
        held += chunk.length;
        this.#heldBytes += chunk.length;
        chunks.push(chunk);
        if (held > this.#bytesMax) refuse("too large");
        else if (this.#heldBytes > this.#heldBytesMax) refuse("no room");
      });
      request.once("end", () => {
        const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        resolve({ bytes, release });
      });
      request.once("close", () => {
        // After the end it means nothing.
        if (!request.readableEnded) refuse("gone");
      });
      request.once("error", () => refuse("gone"));
    });
  }
}
