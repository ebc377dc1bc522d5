/**
 * The load generator, a process of its own: so many connections, on each of them the next request as soon as the answer
 * to the one before is complete. The parent says what to send and for how long, and gets figures back. It is the same
 * for every server that is measured.
 */
import { EventPool } from "./events.ts";
import { LoadConnection, type Answer } from "./load-connection.ts";
import { latenciesOf, Samples, type Latencies } from "./measure.ts";
import { otlpBody, type OtlpFormat } from "./otlp-requests.ts";

export interface LoadOrder {
  readonly port: number;
  readonly path: string;
  readonly token: string;
  readonly connections: number;
  /** 1: one event as JSON; more: so many as NDJSON. */
  readonly eventsPerRequest: number;
  /** The events as an OpenTelemetry SDK sends them, or as what comes of that. Default: as they are. */
  readonly format?: OtlpFormat;
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

/** A request as it goes over the wire, its body from `bodyAt` on. */
function requestOf(order: LoadOrder, contentType: string, body: Uint8Array) {
  const head = Buffer.from(
    `POST ${order.path} HTTP/1.1\r\nHost: 127.0.0.1:${order.port}\r\n` +
      `Authorization: Bearer ${order.token}\r\n` +
      `Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  return { bytes: Buffer.concat([head, body]), bodyAt: head.length };
}

/** Requests in a format of others. */
class ForeignRequests {
  readonly #requests: { readonly bytes: Buffer; readonly refresh: () => void }[] = [];
  #next = 0;

  constructor(pool: EventPool, order: LoadOrder, format: OtlpFormat) {
    const count = order.eventsPerRequest;
    for (let i = 0; i < batchRequests; i++) {
      const body = otlpBody(pool, i * count, count, format);
      const { bytes, bodyAt } = requestOf(order, body.contentType, body.bytes);
      this.#requests.push({ bytes, refresh: () => body.refresh(bytes, bodyAt) });
    }
  }

  next(): Buffer {
    const { bytes, refresh } = this.#requests[this.#next]!;
    this.#next = (this.#next + 1) % this.#requests.length;
    refresh();
    return bytes;
  }
}

/** Requests with events as they are, with places for fresh ids. */
class Requests {
  readonly #pool: EventPool;
  readonly #requests: { readonly bytes: Buffer; readonly bodyAt: number }[] = [];
  readonly #isBatch: boolean;
  #next = 0;

  constructor(pool: EventPool, order: LoadOrder) {
    const { eventsPerRequest } = order;
    this.#pool = pool;
    this.#isBatch = eventsPerRequest > 1;
    const count = this.#isBatch ? batchRequests : singleRequests;
    const type = this.#isBatch ? "application/x-ndjson" : "application/json";
    for (let i = 0; i < count; i++) {
      const body = this.#isBatch
        ? pool.batch(i * eventsPerRequest, eventsPerRequest)
        : pool.event(i);
      this.#requests.push(requestOf(order, type, body));
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
  const requests =
    order.format === undefined
      ? new Requests(pool, order)
      : new ForeignRequests(pool, order, order.format);
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
