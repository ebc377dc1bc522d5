/**
 * Records what a request brings, and answers it: bytes come in, the strict scanner looks at them
 * once, the log commits them, and a line of JSON goes back. Who may do that was asked before.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { CairnError } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import type { ServerContext } from "./context.ts";
import { receiveEvents } from "./event-body.ts";
import type { ReceivedEvents } from "./event-sink.ts";
import type { Principal } from "./key-ring.ts";
import type { Sender } from "./sources/quotas.ts";
import { presentable, problemDocument } from "./problem.ts";
import { asciiJson, batchReceipt, singleReceipt, type ReceiptForm } from "./receipt-json.ts";

export const recordPath = "/v1/logs/:log/events";

export class Recorder {
  readonly #context: ServerContext;
  readonly #logger: FastifyBaseLogger;

  constructor(context: ServerContext, logger: FastifyBaseLogger) {
    this.#context = context;
    this.#logger = logger;
  }

  /** Never rejects: whatever goes wrong is answered. */
  async record(
    request: IncomingMessage,
    response: ServerResponse,
    log: Log,
    principal: Principal,
    form: ReceiptForm | undefined,
  ): Promise<void> {
    const { budget, limits, metrics, refusals } = this.#context;
    const startedAt = performance.now();
    const hold = budget.open();
    let answer: Answer | CairnError;
    try {
      const sender = this.#senderOf(principal);
      const { quotas } = this.#context;
      if (sender !== undefined) quotas.check(sender);
      const received = await receiveEvents(request, limits, hold);
      const { count, byteLength } = received.batch;
      const giveBack = sender && quotas.charge(sender, count, byteLength);
      const refused = (refusal: CairnError): void => {
        metrics.refused(log, refusal.code);
        refusals.note(log, principal, refusal);
      };
      try {
        answer = await record(log, principal.source, received, form, refused);
      } catch (error) {
        giveBack?.();
        throw error;
      }
    } catch (error) {
      answer = presentable(error);
      refusals.note(log, principal, answer);
    }
    hold.release();
    if (answer instanceof CairnError) this.#refuse(request, response, answer);
    else this.#send(response, answer);
    const labels = { method: "POST", route: recordPath, status: response.statusCode };
    metrics.requests.observe(labels, (performance.now() - startedAt) / 1000);
  }

  /** Undefined for a key that may send whatever it likes. */
  #senderOf({ id, source, quota }: Principal): Sender | undefined {
    return quota && { name: `${source} (key ${id})`, quota };
  }

  #send(response: ServerResponse, { status, text }: Answer): void {
    response.writeHead(status, {
      "content-type": "application/json; charset=utf-8",
      "content-length": text.length,
      "x-content-type-options": "nosniff",
      ...this.#lastWords(),
    });
    response.end(text, "latin1");
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: CairnError): void {
    const surroundings = { logger: this.#logger, route: recordPath, headers: this.#lastWords() };
    this.#context.problems.answer(request, response, error, surroundings);
  }

  #lastWords(): { readonly connection?: "close" } {
    return this.#context.stopping.aborted ? { connection: "close" } : {};
  }
}

interface Answer {
  readonly status: number;
  /** ASCII. */
  readonly text: string;
}

async function record(
  log: Log,
  source: string,
  received: ReceivedEvents,
  form: ReceiptForm | undefined,
  refused: (refusal: CairnError) => void,
): Promise<Answer> {
  const { batch, isSingle } = received;
  if (batch.accepted === 0) return nothingAccepted(received, refused);
  const appended = await log.append(batch, source);
  if (isSingle) {
    const refusal = appended.refusal(0);
    if (refusal !== undefined) {
      refused(refusal);
      throw refusal;
    }
    const text = await singleReceipt(log, appended, form ?? "full");
    return { status: appended.isDuplicate(0) ? 200 : 201, text };
  }
  for (let i = 0; appended.refused > 0 && i < appended.count; i++) {
    const refusal = appended.refusal(i);
    if (refusal !== undefined) refused(refusal);
  }
  const status = appended.refused === 0 ? 200 : appended.refused < appended.count ? 207 : 422;
  return { status, text: await batchReceipt(appended, form ?? "short") };
}

/** The log is not asked to record nothing. */
function nothingAccepted(received: ReceivedEvents, refused: (refusal: CairnError) => void): Answer {
  const { refusals, count } = received.batch;
  for (const refusal of refusals.values()) {
    refused(refusal);
    if (received.isSingle) throw refusal;
  }
  const results = Array.from(refusals.values(), (error) => ({ error: problemDocument(error) }));
  const text = asciiJson({ recorded: 0, refused: count, results });
  return { status: count === 0 ? 200 : 422, text };
}
