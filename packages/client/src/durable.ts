/**
 * `log(event, { durable: true })`: for what must not happen unrecorded. The event goes to the log at
 * once, past the queue and past the spool, and the caller hears within a bounded time whether it is
 * there. Nothing of it is left behind where it is not: who is refused does not act, and nothing is
 * recorded later that never happened.
 */
import type { CairnError } from "@cairnlog/core";
import { Delivery, unsent, type DeliveryOptions } from "./delivery.ts";
import type { EventLine } from "./event-line.ts";
import { LoggedReceipt, type ReceiptSource } from "./receipt.ts";
import type { Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

export interface DurableOptions extends DeliveryOptions {
  readonly timeoutMs: number;
  /** True to fetch the entry and its proof, and to verify that it holds the event. */
  readonly isVerified: boolean;
  readonly receiptSource: ReceiptSource;
}

/** Resolves with the server's receipt, or rejects. An event that timed out may be in the log. */
export async function logDurably(
  line: EventLine,
  options: DurableOptions,
  transport: Transport,
  trust: Trust,
): Promise<LoggedReceipt> {
  const { clock, timeoutMs, isVerified, receiptSource } = options;
  const over = deferred<never>();
  const { resolve, reject, promise } = deferred<LoggedReceipt>();
  const delivery = new Delivery<{ readonly line: EventLine }>(
    // The caller hears of a failure itself: an outage is only news to those who wait without asking.
    { ...options, onError() {} },
    {
      isPatient: false,
      recorded(_, result, { origin, note }) {
        const fields = { ...result, origin, checkpoint: note, eventId: line.id };
        resolve(new LoggedReceipt(fields, receiptSource, line.text));
      },
      refused: (_, error) => reject(error),
      failed: (events) => events,
    },
    transport,
    trust,
  );
  const late = (): void => {
    const error = unsent(`no receipt within ${timeoutMs} ms`, delivery.lastError);
    delivery.stop(error);
    reject(error);
    over.reject(error);
  };
  const cancel = clock.after(timeoutMs, late, { keepsAlive: true });
  try {
    void delivery.deliver([{ line }]);
    const receipt = await promise;
    if (isVerified) await Promise.race([receipt.full(), over.promise]);
    return receipt;
  } finally {
    cancel();
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: CairnError) => void;
}

/** `Promise.withResolvers`, which Node 20 lacks. A rejection that comes too late is nobody's. */
function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: CairnError) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
