/**
 * The load generator, a process of its own: so many connections, on each of them the next request as soon as the answer
 * to the one before is complete. The parent says what to send and for how long, and gets figures back. It is the same
 * for every server that is measured.
 */
import { EventPool } from "./events.ts";
import { LoadConnection, type Answer } from "./load-connection.ts";
import { latenciesOf, Samples, type Latencies } from "./measure.ts";

export interface LoadOrder {
  readonly port: number;
  readonly path: string;
  readonly token: string;
  readonly connections: number;
  /** 1: one event as JSON; more: so many as NDJSON. */
  readonly eventsPerRequest: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly seed: number;
}

export interface LoadResult {
  /** Events of all answered requests, before and after the measurement too. */
  readonly eventsEver: number;
  readonly eventsPerSecond: number;
  readonly latencies: Latencies;
  /** Mean bytes of an answer's body. */
  readonly answerBytes: number;
  /** Answers that are not 2xx, in the whole run. */
  readonly refused: number;
  /** Share of a core that this process used. */
  readonly cpuShare: number;
}

/** More of them than connections: a buffer is not changed while it may still be on its way. */
const singleRequests = 16_384;
const batchRequests = 48;

/** Requests as they go over the wire, with places for fresh ids. */
class Requests {
  readonly #pool: EventPool;
  readonly #requests: { readonly bytes: Buffer; readonly bodyAt: number }[] = [];
  readonly #isBatch: boolean;
  #next = 0;

  constructor(pool: EventPool, { port, path, token, eventsPerRequest }: LoadOrder) {
    this.#pool = pool;
    this.#isBatch = eventsPerRequest > 1;
    const count = this.#isBatch ? batchRequests : singleRequests;
    const type = this.#isBatch ? "application/x-ndjson" : "application/json";
    for (let i = 0; i < count; i++) {
      const body = this.#isBatch
        ? pool.batch(i * eventsPerRequest, eventsPerRequest)
        : pool.event(i);
      const head = Buffer.from(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
          `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      this.#requests.push({ bytes: Buffer.concat([head, body]), bodyAt: head.length });
    }
  }

  next(): Buffer {
    const { bytes, bodyAt } = this.#requests[this.#next]!;
    this.#next = (this.#next + 1) % this.#requests.length;
    if (this.#isBatch) this.#pool.freshIds(bytes, bodyAt, bytes.length);
    else this.#pool.freshId(bytes, bodyAt);
    return bytes;
  }
}

const pools = new Map<number, EventPool>();

async function run(order: LoadOrder): Promise<LoadResult> {
  const pool = pools.get(order.seed) ?? new EventPool(order.seed, 24_000);
  pools.set(order.seed, pool);
  const requests = new Requests(pool, order);
  const samples = new Samples();
  let answerBytes = 0;
  let refused = 0;
  let answered = 0;
  let measureFrom = Infinity;
  let measureTo = Infinity;
  const measured = (sentAt: number, now: number, answer: Answer): void => {
    answered++;
    if (answer.status < 200 || answer.status > 299) refused++;
    if (sentAt < measureFrom || now > measureTo) return;
    samples.add(now - sentAt);
    answerBytes += answer.bodyBytes;
  };
  const open: LoadConnection[] = [];
  const failure = new Promise<never>((_resolve, reject) => {
    for (let i = 0; i < order.connections; i++) {
      let sentAt = 0;
      const connection = new LoadConnection(order.port, {
        answered(answer) {
          const now = performance.now();
          measured(sentAt, now, answer);
          if (now > measureTo) return;
          sentAt = performance.now();
          connection.send(requests.next());
        },
        failed: reject,
      });
      open.push(connection);
      sentAt = performance.now();
      connection.send(requests.next());
    }
  });
  const wait = (ms: number): Promise<void> =>
    Promise.race([failure, new Promise<void>((resolve) => setTimeout(resolve, ms))]);
  await wait(order.warmUpMs);
  measureFrom = performance.now();
  const cpuBefore = process.cpuUsage();
  await wait(order.measureMs);
  measureTo = performance.now();
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = (measureTo - measureFrom) / 1000;
  // What is under way is answered, and counts no more.
  await wait(50);
  for (const connection of open) connection.close();
  return {
    eventsEver: answered * order.eventsPerRequest,
    eventsPerSecond: (samples.count * order.eventsPerRequest) / seconds,
    latencies: latenciesOf(samples),
    answerBytes: Math.round(answerBytes / Math.max(1, samples.count)),
    refused,
    cpuShare: (cpu.user + cpu.system) / 1e6 / seconds,
  };
}

process.on("message", (order: LoadOrder) => {
  run(order).then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
