/**
 * What happens at the addresses of sources, once somebody delivers. Loaded with the first delivery, as all the adapters
 * are: a server without sources neither waits for them nor holds them.
 *
 * Whoever is no source of ours hears the same whatever is wrong: an unknown source, a wrong secret, a changed body. All
 * of them have their body received first, so that names cannot be told from guesses by that either. Bodies of those
 * who have not proven themselves share a budget of their own: strangers can't use up that of the others.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger, FastifyRequest } from "fastify";
import { CairnError, isCairnError } from "@cairnlog/core";
import {
  adapters,
  notAuthenticated,
  type Adapter,
  type Answer,
  type Delivery,
} from "@cairnlog/capture";
import { BodyBudget } from "../body-budget.ts";
import type { ServerContext } from "../context.ts";
import { presentable, problemOf } from "../problem.ts";
import { deliveryHead, receiveDelivery } from "./delivery.ts";
import type { FixedPath } from "./fixed-paths.ts";
import { takeIn, type KnownSource } from "./intake.ts";
import { Quotas } from "./quotas.ts";
import { sourcePath, type SourceRoutes } from "./source-routes.ts";

/** The share of all bodies' memory that those may hold who have not proven themselves yet. */
const strangersShare = 1 / 4;
/** What an adapter makes of a body is held besides the body: values, and the events' own bytes. */
const capturedFactor = 2;

/** Where a delivery came in. */
export interface Place {
  /** Where the path names one. */
  readonly log?: string;
  /** The route, for metrics. */
  readonly route: string;
  readonly subPath: string;
  /** Those among whom the sender may be. */
  readonly isOf: (source: KnownSource["source"]) => boolean;
  /** Whose protocol is spoken here whoever sends; undefined where that depends on the source. */
  readonly adapter?: Adapter | undefined;
  /** What anybody is told, if anything. */
  readonly open?: Answer | undefined;
}

export class SourceDoor {
  readonly #context: ServerContext;
  readonly #parts: SourceRoutes;
  readonly #logger: FastifyBaseLogger;
  readonly #adapters: ReadonlyMap<string, Adapter>;
  readonly #quotas: Quotas;
  readonly #strangers: BodyBudget;

  constructor(context: ServerContext, parts: SourceRoutes, logger: FastifyBaseLogger) {
    this.#context = context;
    this.#parts = parts;
    this.#logger = logger;
    this.#adapters = new Map(
      (parts.adapters ?? adapters).map((adapter) => [adapter.kind, adapter]),
    );
    this.#quotas = new Quotas(parts.clock);
    this.#strangers = new BodyBudget(context.limits.inFlightBytesMax * strangersShare);
  }

  placeOfSource(request: FastifyRequest): Place {
    const { log, source: name } = request.params as { log: string; source: string };
    return {
      log,
      route: sourcePath,
      subPath: pathBelow(request, `/v1/logs/${log}/sources/${name}`),
      isOf: (source) => source.name === name && source.log === log,
    };
  }

  placeOfKind(request: FastifyRequest, { path, kind, open = {} }: FixedPath): Place {
    const subPath = pathBelow(request, path);
    const asked = [subPath, request.method].find((one) => Object.hasOwn(open, one));
    return {
      route: path,
      subPath,
      isOf: (source) => source.kind === kind,
      adapter: this.#adapters.get(kind),
      open: asked === undefined ? undefined : open[asked],
    };
  }

  /** Never rejects: whatever goes wrong is answered. */
  async deliver(request: IncomingMessage, response: ServerResponse, place: Place): Promise<void> {
    const startedAt = performance.now();
    const { budget, limits, metrics } = this.#context;
    const head = deliveryHead(request, place.subPath);
    let known: KnownSource | undefined;
    let answer: Answer | CairnError;
    let hold = this.#strangers.open();
    try {
      known = this.#findByToken(head, place);
      if (known !== undefined) hold = budget.open();
      if (place.open === undefined) {
        const body = await receiveDelivery(request, limits, hold);
        const delivery = { ...head, body };
        known = this.#prove(delivery, place);
        hold.take(body.length * capturedFactor);
        answer = await takeIn(known, delivery, this.#context, this.#quotas);
      } else answer = place.open;
    } catch (error) {
      answer = presentable(error);
    }
    hold.release();
    if (answer instanceof CairnError) this.#refuse(request, response, answer, place, known, head);
    else this.#send(response, answer);
    const labels = { method: head.method, route: place.route, status: response.statusCode };
    metrics.requests.observe(labels, (performance.now() - startedAt) / 1000);
  }

  /** Whose token it is, where the head alone proves that. Not yet all that `#prove` asks. */
  #findByToken(head: Omit<Delivery, "body">, place: Place): KnownSource | undefined {
    const delivery = { ...head, body: new Uint8Array(0) };
    return this.#candidates(place, false).find(
      (one) => one.adapter.setup.secret === "token" && this.#isOf(one, delivery),
    );
  }

  /** The source that the delivery proves to be of. "unauthenticated". */
  #prove(delivery: Delivery, place: Place): KnownSource {
    const isProven = (one: KnownSource): boolean => this.#isOf(one, delivery);
    // A source, or a secret of it, may have been added within this second.
    const known =
      this.#candidates(place, false).find(isProven) ?? this.#candidates(place, true).find(isProven);
    if (known === undefined) throw notAuthenticated();
    return known;
  }

  #candidates(place: Place, isFresh: boolean): KnownSource[] {
    return this.#parts.sources.list(isFresh).flatMap((source) => {
      const adapter = place.isOf(source) ? this.#adapters.get(source.kind) : undefined;
      return adapter === undefined ? [] : [{ source, adapter }];
    });
  }

  #isOf({ source, adapter }: KnownSource, delivery: Delivery): boolean {
    try {
      adapter.authenticate(delivery, source, this.#parts.clock.now());
      return true;
    } catch (error) {
      if (isCairnError(error, "unauthenticated")) return false;
      throw error;
    }
  }

  #send(response: ServerResponse, { status, headers = {}, body = "" }: Answer): void {
    const bytes = Buffer.from(body);
    response.writeHead(status, {
      ...(bytes.length === 0 ? {} : { "content-type": "application/json" }),
      "x-content-type-options": "nosniff",
      ...headers,
      "content-length": bytes.length,
      ...this.#lastWords(),
    });
    response.end(bytes);
  }

  #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    error: CairnError,
    place: Place,
    known: KnownSource | undefined,
    { headers }: Omit<Delivery, "body">,
  ): void {
    const { problems, refusals } = this.#context;
    const who = known && { source: known.source.name };
    refusals.note(known?.source.log ?? place.log, who, error);
    const surroundings = { logger: this.#logger, route: place.route, headers: this.#lastWords() };
    const adapter = place.adapter ?? known?.adapter;
    if (adapter?.answerError === undefined) {
      problems.answer(request, response, error, surroundings);
      return;
    }
    problems.note(request, error, surroundings);
    const { status, retryAfter } = problemOf(error);
    const { code, message } = error;
    const told = { code, status, message };
    const answer = adapter.answerError(
      retryAfter === undefined ? told : { ...told, retryAfterSeconds: retryAfter },
      headers,
    );
    const again = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
    this.#send(response, { ...answer, headers: { ...again, ...answer.headers } });
  }

  #lastWords(): { readonly connection?: "close" } {
    return this.#context.stopping.aborted ? { connection: "close" } : {};
  }
}

function pathBelow({ raw }: FastifyRequest, path: string): string {
  return raw.url!.split("?", 1)[0]!.slice(path.length);
}
