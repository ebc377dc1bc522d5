/**
 * A replication connection: what the server sends, in order, and what we confirm.
 *
 * Stands on `pg` itself and not on the service of `pg-logical-replication`, of which only the reader of messages is
 * used: the service confirms the byte behind the position that it is given, so that a commit which begins there could
 * be skipped after a restart; and after a handler has failed it hands out the next change as if nothing were missing.
 *
 * Nothing is confirmed here by itself. What arrives faster than it is taken waits, up to a bound, then the socket does.
 */
import pg, { type ClientConfig } from "pg";
import { CairnError } from "@cairnlog/core";
import { PgoutputPlugin, type Pgoutput } from "pg-logical-replication";
import { lsnBytes, lsnOfBytes, zeroLsn, type Lsn } from "./lsn.ts";

export type WalItem =
  | { readonly kind: "message"; readonly message: Pgoutput.Message }
  /** All that lies before `end` and is for us has been sent. */
  | { readonly kind: "keepalive"; readonly end: Lsn; readonly isReplyAsked: boolean };

/** What `pg` has and does not describe. */
interface WireConnection {
  on(name: "copyData", listener: (message: { readonly chunk: Buffer }) => void): void;
  once(name: "replicationStart", listener: () => void): void;
  sendCopyFromChunk(bytes: Buffer): void;
  readonly stream: { pause(): void; resume(): void; destroy(): void };
}

const queueBytesMax = 4 * 1024 * 1024;
const statusEveryMs = 10_000;
/** PostgreSQL counts from the year 2000. */
const unixMsOf2000 = 946_684_800_000;

export class ReplicationStream {
  readonly #client: pg.Client;
  readonly #plugin: PgoutputPlugin;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #isPaused = false;
  #confirmed = zeroLsn;
  #failure: Error | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(client: pg.Client, plugin: PgoutputPlugin) {
    this.#client = client;
    this.#plugin = plugin;
  }

  /** Starts where the slot was confirmed last. "unavailable" */
  static async open(
    connection: ClientConfig,
    slot: string,
    publication: string,
  ): Promise<ReplicationStream> {
    const client = new pg.Client({ ...connection, replication: "database" } as ClientConfig);
    const options: Pgoutput.Options = {
      protoVersion: 1,
      publicationNames: [publication],
      messages: true,
    };
    const stream = new ReplicationStream(client, new PgoutputPlugin(options));
    client.on("error", (error) => stream.#fail(error));
    client.on("end", () => stream.#fail(new Error("the connection has ended")));
    try {
      await client.connect();
      await stream.#start(slot);
    } catch (cause) {
      await stream.close();
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CairnError("unavailable", `PostgreSQL does not stream ${slot}: ${why}`, { cause });
    }
    return stream;
  }

  /** Nothing that was sent is waiting here. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Ends when the stream is closed. "unavailable" when the connection is lost. */
  async *items(): AsyncGenerator<WalItem, void> {
    while (!this.#isClosed) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length;
        if (this.#isPaused && this.#queuedBytes < queueBytesMax / 2) {
          this.#isPaused = false;
          this.#wire.stream.resume();
        }
        const item = this.#itemOf(chunk);
        if (item !== undefined) yield item;
        continue;
      }
      if (this.#failure !== undefined) {
        const message = `the connection to PostgreSQL is lost: ${this.#failure.message}`;
        throw new CairnError("unavailable", message, { cause: this.#failure });
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Tells the server that all before `lsn` is durable elsewhere: it may forget it. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#sendStatus();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#wake?.();
    // `end` says goodbye, which a server that streams reads late or, if it is gone, never.
    const ended = this.#client.end().catch(() => {});
    this.#wire.stream.destroy();
    await ended;
  }

  get #wire(): WireConnection {
    return (this.#client as unknown as { readonly connection: WireConnection }).connection;
  }

  async #start(slot: string): Promise<void> {
    const wire = this.#wire;
    wire.on("copyData", ({ chunk }) => this.#take(chunk));
    const started = new Promise<void>((resolve) => wire.once("replicationStart", resolve));
    // Resolves when the stream is over; until then it is what fails if the server refuses.
    const over = this.#plugin.start(this.#client, slot, "0/0");
    over.catch((error: unknown) => {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    });
    await Promise.race([started, over]);
    this.#timer = setInterval(() => this.#sendStatus(), statusEveryMs);
  }

  #take(chunk: Buffer): void {
    // A copy: `pg` reads the next message into the same bytes.
    this.#queue.push(Buffer.from(chunk));
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes > queueBytesMax && !this.#isPaused) {
      this.#isPaused = true;
      this.#wire.stream.pause();
    }
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  /** Streaming replication protocol: XLogData is `w`, a keepalive `k`. */
  #itemOf(chunk: Buffer): WalItem | undefined {
    if (chunk[0] === 0x6b) {
      return {
        kind: "keepalive",
        end: lsnOfBytes(chunk.subarray(1, 9)),
        isReplyAsked: chunk[17] === 1,
      };
    }
    if (chunk[0] !== 0x77) return undefined;
    const message = this.#plugin.parse(chunk.subarray(25));
    // Values as PostgreSQL writes them: what they mean in JSON is decided where nothing of them gets lost.
    if (message.tag === "relation") {
      for (const column of message.columns) column.parser = (text: unknown) => text;
    }
    return { kind: "message", message };
  }

  /** Standby status update: written, flushed and applied up to here. */
  #sendStatus(): void {
    if (this.#isClosed || this.#failure !== undefined) return;
    const update = Buffer.alloc(34);
    update[0] = 0x72;
    for (const at of [1, 9, 17]) update.set(lsnBytes(this.#confirmed), at);
    const microseconds = (Date.now() - unixMsOf2000) * 1000;
    update.writeUInt32BE(Math.floor(microseconds / 2 ** 32), 25);
    update.writeUInt32BE(microseconds % 2 ** 32, 29);
    this.#wire.sendCopyFromChunk(update);
  }
}
