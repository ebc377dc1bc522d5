/**
 * Larger things that belong to events: put before the event that names them, by their SHA-256. A put that gets no
 * answer, or is told to come back, is tried again; doing it twice does no harm.
 *
 * A blob is held whole, as bytes: for one that does not fit in memory there is the plain HTTP request.
 */
import { CairnError, hex, isCairnError, type Crypto, type NamedBlob } from "@cairnlog/core";
import { backoffMs, isPassingStatus, type BackoffLimits } from "./backoff.ts";
import type { Clock } from "./platform.ts";
import type { Transport } from "./transport.ts";

export interface BlobDescription {
  /** In lower case, as `application/json`. */
  readonly mediaType?: string;
  /** What it is to the event, as `request` or `terminal`. */
  readonly role?: string;
}

export interface BlobsOptions {
  readonly backoff: BackoffLimits;
  readonly retryForMs: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly chance: () => number;
  readonly loadCrypto: () => Promise<Crypto>;
}

/** What a slow line carries, so that a large blob has time enough: 32 KiB a second. */
const slowBytesPerMs = 32;

export class Blobs {
  readonly #transport: Transport;
  /** `/v1/logs/<name>/blobs` */
  readonly #path: string;
  readonly #options: BlobsOptions;
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(transport: Transport, path: string, options: BlobsOptions) {
    this.#transport = transport;
    this.#path = path;
    this.#options = options;
  }

  async put(bytes: Uint8Array, description: BlobDescription): Promise<NamedBlob> {
    if (this.#isClosed) throw new CairnError("usage", "the client was closed");
    const run = this.#put(bytes, description);
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Takes no more; resolves when each put that is under way has succeeded or failed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#running);
  }

  async #put(bytes: Uint8Array, description: BlobDescription): Promise<NamedBlob> {
    // A copy: what is sent must be what was hashed, whatever the caller does meanwhile.
    const body = new Uint8Array(bytes);
    const sha256 = await this.#hash(body);
    await this.#send(sha256, body);
    const { mediaType, role } = description;
    return {
      sha256,
      byteLength: body.length,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(role === undefined ? {} : { role }),
    };
  }

  /** The blob, whole, with the hash that it is named by. */
  async get(sha256: string): Promise<Uint8Array> {
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw new CairnError("usage", "a blob is named by 64 lower-case hex digits");
    }
    const pieces: Uint8Array[] = [];
    let byteLength = 0;
    for await (const piece of this.#transport.stream(`${this.#path}/${sha256}`)) {
      pieces.push(piece);
      byteLength += piece.length;
    }
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const found = await this.#hash(bytes);
    if (found === sha256) return bytes;
    throw new CairnError("unverified", `what came for the blob ${sha256} has the SHA-256 ${found}`);
  }

  /** Ends what is under way. */
  stop(error: CairnError): void {
    this.#abort.abort(error);
  }

  async #send(sha256: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
    const { clock, retryForMs, backoff, chance } = this.#options;
    const { signal } = this.#abort;
    const sinceMs = clock.now();
    for (let failures = 1; ; failures++) {
      if (signal.aborted) throw signal.reason;
      const error = await this.#attempt(sha256, body);
      if (error === undefined) return;
      if (clock.now() - sinceMs >= retryForMs) throw error;
      await this.#sleep(backoffMs(failures, chance(), backoff, error.retryAfterMs));
    }
  }

  /** The passing error of a put that is to be tried again; undefined where the blob is there. */
  async #attempt(sha256: string, body: Uint8Array<ArrayBuffer>): Promise<CairnError | undefined> {
    const path = `${this.#path}/${sha256}`;
    try {
      const answer = await this.#transport.send(path, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream" },
        body,
        signal: this.#abort.signal,
        waitMs: body.length / slowBytesPerMs,
      });
      if (answer.status === 200 || answer.status === 201) return undefined;
      const error = this.#transport.errorOf(answer, "the log did not take the blob");
      if (isPassingStatus(answer.status)) return error;
      throw error;
    } catch (error) {
      if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
      if (isCairnError(error, "unavailable")) return error;
      throw error;
    }
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, done, { keepsAlive: true });
      function done(): void {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done);
    });
  }

  async #hash(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    // Browsers offer it only to pages from https or localhost.
    const subtle = globalThis.crypto?.subtle as typeof globalThis.crypto.subtle | undefined;
    if (subtle !== undefined) return hex(new Uint8Array(await subtle.digest("SHA-256", bytes)));
    return hex((await this.#options.loadCrypto()).sha256(bytes));
  }
}
