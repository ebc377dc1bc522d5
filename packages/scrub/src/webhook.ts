/**
 * Sends alarms off this host, as Standard Webhooks (standardwebhooks.com, version 1) has it: `webhook-id`,
 * `webhook-timestamp`, and `webhook-signature`, the HMAC-SHA256 over `<id>.<timestamp>.<body>`. The receiver recognises
 * a message that comes twice by its id.
 *
 * One message at a time, in order. What is not taken with a 2xx status is sent again, after longer and longer pauses,
 * until it is. Nothing rests on disk: the alarm's own record is its entry in the log.
 */
import { createHmac, randomUUID } from "node:crypto";
import { base64, CairnError, formatLogTime, isCairnError, parseBase64 } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";

/** What `fetch` is here: enough of it to be replaced in a test. */
export type Post = (
  url: string,
  request: {
    readonly method: "POST";
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly redirect: "error";
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly status: number }>;

export interface WebhookOptions {
  readonly url: string;
  /** `whsec_` and 24 to 64 bytes in base64. */
  readonly secret: string;
  readonly clock: Clock;
  readonly post?: Post;
  /** Why a message was not taken, each time. */
  readonly onFailure?: (why: string) => void;
}

const secretPrefix = "whsec_";
const secretBytesMin = 24;
const secretBytesMax = 64;
const timeoutMs = 10_000;
const firstPauseMs = 1000;
const longestPauseMs = 5 * 60_000;
/** More alarms than this say nothing new to whoever does not answer. */
const waitingMax = 1000;

interface Message {
  readonly id: string;
  readonly body: string;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #key: Uint8Array;
  readonly #waiting: Message[] = [];
  readonly #closing = new AbortController();
  #sending: Promise<void> | undefined;
  #dropped = 0;

  /** "usage" where the secret is none. */
  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#key = parseSecret(options.secret);
  }

  /** Messages that nobody has taken yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Messages that were given up, because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  send(type: string, data: object): void {
    if (this.#closing.signal.aborted) return;
    if (this.#waiting.length >= waitingMax) {
      this.#dropped++;
      return;
    }
    const timestamp = formatLogTime(Math.floor(this.#options.clock.now()));
    const id = `msg_${randomUUID().replaceAll("-", "")}`;
    this.#waiting.push({ id, body: JSON.stringify({ type, timestamp, data }) });
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Stops sending. What was not taken by now is dropped. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#closing;
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      let pauseMs = firstPauseMs;
      while (!signal.aborted && !(await this.#isTaken(message))) {
        await this.#pause(pauseMs);
        pauseMs = Math.min(longestPauseMs, pauseMs * 4);
      }
      if (signal.aborted) return;
      this.#waiting.shift();
    }
  }

  async #isTaken({ id, body }: Message): Promise<boolean> {
    const { url, clock, post = fetch, onFailure } = this.#options;
    // Of this attempt: receivers refuse what is old.
    const timestamp = String(Math.floor(clock.now() / 1000));
    const signature = signWebhook(this.#key, id, timestamp, body);
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": signature,
    };
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const { status } = await post(url, {
        method: "POST",
        headers,
        body,
        redirect: "error",
        signal,
      });
      if (status >= 200 && status < 300) return true;
      onFailure?.(`it answered ${status}`);
    } catch (error) {
      onFailure?.(error instanceof Error ? error.message : String(error));
    }
    return false;
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#options.clock.setTimer(end, ms);
      if (signal.aborted) end();
      else signal.addEventListener("abort", end);
    });
  }
}

/** The value of `webhook-signature`. */
export function signWebhook(key: Uint8Array, id: string, timestamp: string, body: string): string {
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
  return `v1,${base64(mac)}`;
}

/** The key in a secret as Standard Webhooks spells it. "usage". */
export function parseSecret(secret: string): Uint8Array {
  const expected = `${secretPrefix} and ${secretBytesMin} to ${secretBytesMax} random bytes in base64`;
  const refusal = new CairnError("usage", `the secret of the alarm webhook is not ${expected}`);
  if (!secret.startsWith(secretPrefix)) throw refusal;
  try {
    const key = parseBase64(secret.slice(secretPrefix.length));
    if (key.length >= secretBytesMin && key.length <= secretBytesMax) return key;
  } catch (error) {
    if (!isCairnError(error)) throw error;
  }
  throw refusal;
}
