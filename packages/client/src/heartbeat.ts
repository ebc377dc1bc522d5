/**
 * Tells the log, while there is nothing else to tell, how far this client has counted: so that the
 * log can notice that the last events of a stream never came, and that a source has fallen silent.
 * A server that knows no heartbeats is not asked again.
 */
import { isCairnError, type Sequence } from "@cairnlog/core";
import type { Clock } from "./platform.ts";
import type { Transport } from "./transport.ts";

export interface HeartbeatOptions {
  /** `/v1/logs/<name>/heartbeat` */
  readonly path: string;
  readonly everyMs: number;
  readonly clock: Clock;
  /** Where the count stands, if nothing waits to be recorded. */
  readonly idleAt: () => Sequence | undefined;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #transport: Transport;
  readonly #abort = new AbortController();
  #cancel = (): void => {};
  #lastNumber: number | undefined;

  constructor(options: HeartbeatOptions, transport: Transport) {
    this.#options = options;
    this.#transport = transport;
    if (Number.isFinite(options.everyMs)) this.#next();
  }

  stop(): void {
    this.#cancel();
    this.#abort.abort();
  }

  #next(): void {
    const { clock, everyMs } = this.#options;
    this.#cancel = clock.after(everyMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const at = this.#options.idleAt();
    const isQuiet = at !== undefined && at.number === this.#lastNumber;
    this.#lastNumber = at?.number;
    // An event within this while said as much already.
    if (isQuiet && !(await this.#send(at))) return;
    if (!this.#abort.signal.aborted) this.#next();
  }

  /** False where the server does not know what this is. */
  async #send(at: Sequence): Promise<boolean> {
    try {
      const { status } = await this.#transport.send(this.#options.path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ streams: [at] }),
        signal: this.#abort.signal,
      });
      return status !== 404 && status !== 405;
    } catch (error) {
      if (isCairnError(error)) return true;
      throw error;
    }
  }
}
