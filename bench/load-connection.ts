/**
 * One keep-alive connection of the load generator: sends requests that were built beforehand, and reads as little of
 * the answers as it can: status, Content-Length, and when the last byte is there. What the generator does costs a core
 * that the server would like to have, so there is no HTTP client here, and no allocation per request but the head's
 * text.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  /** Bytes of the body, and of head and body together. */
  readonly bodyBytes: number;
  readonly wireBytes: number;
}

export interface ConnectionEvents {
  /** The answer to the request under way is complete. */
  answered(answer: Answer): void;
  failed(error: Error): void;
}

const headEnd = Buffer.from("\r\n\r\n");

export class LoadConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  /** The beginning of a head whose end has not come yet. */
  #head: Buffer | undefined;
  #status = 0;
  #bodyBytes = 0;
  #headBytes = 0;
  /** Bytes of the body that are still to come; -1 while a head is awaited. */
  #rest = -1;

  constructor(port: number, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({
      ...{ port, host: "127.0.0.1", noDelay: true },
      onread: {
        buffer: Buffer.allocUnsafe(64 * 1024),
        callback: (byteLength, bytes) => {
          this.#read(Buffer.from(bytes.buffer, bytes.byteOffset, byteLength));
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => events.failed(error));
    this.#socket.on("end", () => events.failed(new Error("the server closed the connection")));
  }

  send(request: Uint8Array): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.removeAllListeners("end").destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#rest < 0) {
      const data = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes]);
      const end = data.indexOf(headEnd);
      if (end < 0) {
        this.#head = Buffer.from(data);
        return;
      }
      this.#head = undefined;
      this.#readHead(data.toString("latin1", 0, end));
      this.#headBytes = end + headEnd.length;
      this.#rest = this.#bodyBytes - (data.length - this.#headBytes);
    } else this.#rest -= bytes.length;
    if (this.#rest > 0) return;
    if (this.#rest < 0) return this.#events.failed(new Error("an answer that nobody asked for"));
    this.#rest = -1;
    const wireBytes = this.#headBytes + this.#bodyBytes;
    this.#events.answered({ status: this.#status, bodyBytes: this.#bodyBytes, wireBytes });
  }

  #readHead(head: string): void {
    const length = /\r\ncontent-length: ([0-9]+)/i.exec(head)?.[1];
    this.#status = Number(head.slice(9, 12));
    // Both servers say how long their answers are; without it nobody knows where one ends.
    this.#bodyBytes = Number(length);
    if (length === undefined) this.#events.failed(new Error(`no Content-Length: ${head}`));
  }
}
