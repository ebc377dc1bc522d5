/**
 * The HTTP face of a witness, on `node:http` as it comes: three paths, whose bodies are neither JSON nor described by a
 * schema, leave nothing for a framework to do.
 *
 *     POST <prefix>/add-checkpoint
 *     GET  <prefix>/<hex SHA-256 of the origin>/checkpoint
 *     GET  /healthz
 *
 * Any Host header will do: whoever knows an origin may ask for its checkpoint, and nothing else is told here; metrics
 * have a server of their own (`metrics-server.ts`). No TLS: the answers are signed, and what has to be hidden or
 * shielded stands behind a proxy or a bastion anyway.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CairnError, isCairnError, parseHex } from "@cairnlog/core";
import type { Registry } from "prom-client";
import { BodyReceiver } from "./request-body.ts";
import { textMediaType, type Witness, type WitnessAnswer } from "./witness.ts";
import { WitnessMetrics } from "./witness-metrics.ts";

/** How much the server takes on. */
export interface WitnessLimits {
  /** Bytes of a request's body: room for the longest proof and 16 signatures of the largest kind. */
  readonly bodyBytesMax: number;
  /** Bytes of all bodies that are arriving or wait for their answer. */
  readonly heldBytesMax: number;
  readonly connectionsMax: number;
  /** Time for a request's head, and for head and body together. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long a connection may be idle: longer than the minute after which an idle log comes again. */
  readonly keepAliveMs: number;
  /** How long `stop` waits for what is under way. */
  readonly stopTimeoutMs: number;
}

export const defaultWitnessLimits: WitnessLimits = {
  bodyBytesMax: 128 * 1024,
  heldBytesMax: 64 * 1024 * 1024,
  connectionsMax: 4096,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveMs: 90_000,
  stopTimeoutMs: 10_000,
};

export interface WitnessServerOptions {
  /** What stands before the paths of the protocol: "" or `/witness`. */
  readonly prefix?: string;
  readonly limits?: Partial<WitnessLimits>;
}

/** What is answered besides the protocol's own statuses. */
interface Plain {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const notFound: Plain = { status: 404, body: "not found\n" };

export class WitnessServer {
  readonly #witness: Witness;
  readonly #limits: WitnessLimits;
  readonly #prefix: string;
  readonly #metrics: WitnessMetrics;
  readonly #server: Server;
  readonly #bodies: BodyReceiver;
  #underWay = 0;
  #stopping: Promise<void> | undefined;
  #onIdle: () => void = () => {};

  constructor(witness: Witness, options: WitnessServerOptions = {}) {
    const { prefix = "", limits } = options;
    if (!/^(?:\/[A-Za-z0-9._~-]+)*$/.test(prefix)) {
      throw new CairnError(
        "usage",
        `not a path prefix: ${JSON.stringify(prefix)}; /witness would do`,
      );
    }
    this.#witness = witness;
    this.#prefix = prefix;
    this.#limits = { ...defaultWitnessLimits, ...limits };
    this.#metrics = new WitnessMetrics(witness);
    this.#bodies = new BodyReceiver(this.#limits.bodyBytesMax, this.#limits.heldBytesMax);
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, connectionsMax } = this.#limits;
    this.#server = createServer(
      {
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveMs,
        // How late a slow client may be found.
        connectionsCheckingInterval: Math.min(1000, headersTimeoutMs / 2, requestTimeoutMs / 2),
        requireHostHeader: false,
        noDelay: true,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = connectionsMax;
    // Who does not read the answer does not keep the connection.
    this.#server.timeout = keepAliveMs + requestTimeoutMs;
  }

  /** Resolves with the URL once requests are taken. Port 0 is any free one. */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject).listen(port, host, resolve);
    try {
      await promise;
    } catch (cause) {
      throw new CairnError(
        "unavailable",
        `cannot listen on ${host} port ${port}: ${String(cause)}`,
        {
          cause,
        },
      );
    }
    this.#server.off("error", reject);
    const bound = this.#server.address() as AddressInfo;
    return `http://${host.includes(":") ? `[${host}]` : host}:${bound.port}${this.#prefix}`;
  }

  /** For who serves the metrics. */
  get registry(): Registry {
    return this.#metrics.registry;
  }

  /** Takes no more requests, answers those that were accepted, closes all connections. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      if (this.#underWay === 0) resolve();
      setTimeout(resolve, this.#limits.stopTimeoutMs).unref();
    });
    await idle;
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#underWay++;
    response.once("close", () => {
      this.#underWay--;
      if (this.#underWay === 0) this.#onIdle();
    });
    try {
      await this.#route(request, response);
    } catch (error) {
      // A broken invariant is nobody's to catch: the process ends rather than sign something false.
      if (!isCairnError(error)) throw error;
      this.#send(response, { status: 503, body: "the witness cannot read what it keeps\n" });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    if (url === `${this.#prefix}/add-checkpoint`) {
      if (method !== "POST") return this.#send(response, wrongMethod("POST"));
      return await this.#addCheckpoint(request, response);
    }
    const read = this.#readerOf(url);
    request.resume();
    if (read === undefined) return this.#send(response, notFound);
    if (method !== "GET" && method !== "HEAD") {
      return this.#send(response, wrongMethod("GET, HEAD"));
    }
    this.#send(response, await read());
  }

  #readerOf(url: string): (() => Plain | Promise<Plain>) | undefined {
    if (url === "/healthz") return () => this.#health();
    const path = url.startsWith(`${this.#prefix}/`) ? url.slice(this.#prefix.length) : "";
    const hash = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path)?.[1];
    if (hash === undefined) return undefined;
    return () => {
      const note = this.#witness.findCheckpoint(parseHex(hash));
      return note === undefined ? notFound : { status: 200, body: note };
    };
  }

  async #addCheckpoint(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const begun = performance.now();
    const body = await this.#bodies.receive(request);
    if (body === "gone") return;
    let answer: Plain;
    if (typeof body === "string") answer = bodyRefusals[body];
    else {
      try {
        const client = request.socket.remoteAddress ?? "";
        answer = plainOf(await this.#witness.addCheckpoint(body.bytes, client));
      } finally {
        body.release();
      }
    }
    this.#metrics.requests.observe({ status: answer.status }, (performance.now() - begun) / 1000);
    this.#send(response, answer);
  }

  #health(): Plain {
    if (this.#witness.failure === undefined) return { status: 200, body: "ok\n" };
    // Nothing can be made durable any more. Who asks has shown no key, and is told no more than that.
    return { status: 503, body: "not ok\n" };
  }

  #send(response: ServerResponse, { status, body, headers }: Plain): void {
    const bytes = Buffer.from(body);
    response.writeHead(status, {
      "content-type": textMediaType,
      "content-length": bytes.length,
      "x-content-type-options": "nosniff",
      ...headers,
      ...(this.#stopping === undefined ? {} : { connection: "close" }),
    });
    response.end(bytes);
  }
}

const bodyRefusals: Readonly<Record<"too large" | "no room", Plain>> = {
  // What is still coming is not worth receiving.
  "too large": {
    status: 413,
    body: "the request is larger than any add-checkpoint request has to be\n",
    headers: { connection: "close" },
  },
  "no room": {
    status: 503,
    body: "too many requests are on their way: send it again later\n",
    headers: { connection: "close", "retry-after": "1" },
  },
};

function wrongMethod(allow: string): Plain {
  return {
    status: 405,
    body: `this path takes ${allow}\n`,
    headers: { allow, connection: "close" },
  };
}

function plainOf({ status, body, contentType, retryAfterMs }: WitnessAnswer): Plain {
  const headers = { "content-type": contentType };
  if (retryAfterMs === undefined) return { status, body, headers };
  const seconds = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
  return { status, body, headers: { ...headers, "retry-after": seconds } };
}
