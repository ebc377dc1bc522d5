/**
 * What a command wrote, with its timing, as an asciicast in memory; and of each stream how many bytes there were, and
 * their SHA-256. The cast ends at a limit, with a mark; what comes after it is still counted and hashed. A cast is
 * text: bytes that are no UTF-8 stand in it as U+FFFD, and only the hash is of what they were.
 *
 * Of what is redacted no hash is kept either: it would let a short secret be guessed.
 */
import { createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";
import { TextDecoder } from "node:util";
import {
  asciicastMediaType,
  formatCastEvent,
  formatCastHeader,
  type CastHeader,
} from "@cairnlog/capture";
import type { BlobFile } from "../blob-file.ts";
import { OpenLine, type Piece, type Redaction } from "./redaction.ts";

export type StreamName = "terminal" | "stdout" | "stderr";

export interface OutputSummary {
  readonly streams: Readonly<Record<string, { byteLength: number; sha256?: string }>>;
  /** Bytes that the cast lacks because of the limit. */
  readonly bytesNotKept?: number;
}

interface Stream {
  readonly decoder: TextDecoder;
  readonly hash: Hash;
  readonly line: OpenLine;
  byteLength: number;
}

interface TimedPiece {
  readonly piece: Piece;
  readonly timeMs: number;
  readonly code: "o" | "r";
}

/** Small parts are put together to so many bytes: a byte at a time must not cost an object each. */
const partBytes = 64 * 1024;
/** For the mark at the end. */
const markRoom = 256;

export class Recording {
  readonly #redaction: Redaction;
  readonly #bytesMax: number;
  readonly #streams = new Map<StreamName, Stream>();
  /** In the order of time: a piece leaves when it and all before it are settled. */
  #waiting: TimedPiece[] = [];
  readonly #parts: Buffer[] = [];
  #part = "";
  #byteLength = 0;
  #bytesNotKept = 0;
  #isFull = false;

  constructor(header: CastHeader, redaction: Redaction, bytesMax: number) {
    this.#redaction = redaction;
    this.#bytesMax = bytesMax;
    this.#write(formatCastHeader(header));
  }

  /** What came out of a stream, so long after the start. */
  take(name: StreamName, bytes: Uint8Array, timeMs: number): void {
    const stream = this.#stream(name);
    stream.byteLength += bytes.length;
    stream.hash.update(bytes);
    if (this.#isFull) {
      this.#bytesNotKept += bytes.length;
      return;
    }
    this.#add(stream, stream.decoder.decode(bytes, { stream: true }), timeMs);
    this.#flush();
  }

  /** The window has another size. */
  resize(width: number, height: number, timeMs: number): void {
    if (this.#isFull) return;
    const piece = { text: `${width}x${height}`, isSettled: true };
    this.#waiting.push({ piece, timeMs, code: "r" });
    this.#flush();
  }

  /** Nothing more comes. */
  end(timeMs: number): OutputSummary {
    const streams: Record<string, { byteLength: number; sha256?: string }> = {};
    for (const [name, stream] of this.#streams) {
      if (!this.#isFull) this.#add(stream, stream.decoder.decode(), timeMs);
      stream.line.end();
      const hash = this.#redaction.isEmpty ? { sha256: stream.hash.digest("hex") } : {};
      streams[name] = { byteLength: stream.byteLength, ...hash };
    }
    this.#flush();
    if (this.#bytesNotKept === 0) return { streams };
    const text = `\r\n[cairn: ${this.#bytesNotKept} bytes more were not kept]\r\n`;
    this.#write(formatCastEvent({ timeMs, code: "o", text }));
    return { streams, bytesNotKept: this.#bytesNotKept };
  }

  /** The cast as a blob. After `end` only. */
  blob(): BlobFile {
    this.#endPart();
    const hash = createHash("sha256");
    for (const part of this.#parts) hash.update(part);
    return {
      name: {
        sha256: hash.digest("hex"),
        byteLength: this.#byteLength,
        mediaType: asciicastMediaType,
        role: "terminal",
      },
      open: () => Readable.from(this.#parts, { objectMode: false }),
    };
  }

  #stream(name: StreamName): Stream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const stream = {
      decoder: new TextDecoder("utf-8", { ignoreBOM: true }),
      hash: createHash("sha256"),
      line: new OpenLine(this.#redaction),
      byteLength: 0,
    };
    this.#streams.set(name, stream);
    return stream;
  }

  #add(stream: Stream, text: string, timeMs: number): void {
    if (text === "") return;
    const pieces = this.#redaction.isEmpty ? [{ text, isSettled: true }] : stream.line.add(text);
    for (const piece of pieces) this.#waiting.push({ piece, timeMs, code: "o" });
  }

  #flush(): void {
    const end = this.#waiting.findIndex(({ piece }) => !piece.isSettled);
    const settled = end < 0 ? this.#waiting : this.#waiting.slice(0, end);
    this.#waiting = end < 0 ? [] : this.#waiting.slice(end);
    for (const { piece, timeMs, code } of settled) {
      if (piece.text === "") continue;
      const line = formatCastEvent({ timeMs, code, text: piece.text });
      if (this.#isFull || this.#byteLength + Buffer.byteLength(line) + markRoom > this.#bytesMax) {
        this.#isFull = true;
        if (code === "o") this.#bytesNotKept += Buffer.byteLength(piece.text);
      } else this.#write(line);
    }
  }

  #write(line: string): void {
    this.#part += line;
    this.#byteLength += Buffer.byteLength(line);
    if (this.#part.length > partBytes) this.#endPart();
  }

  #endPart(): void {
    if (this.#part !== "") this.#parts.push(Buffer.from(this.#part));
    this.#part = "";
  }
}
