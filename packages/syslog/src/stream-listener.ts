/**
 * Listens on TCP or TLS, and hands each connection to a session. Who may connect is decided here: allowed peers, caps,
 * client certificates. Plain TCP and RELP share it.
 */
import { createServer as createPlain, type Server, type Socket } from "node:net";
import { createServer as createTls, type TLSSocket } from "node:tls";
import { CairnError } from "@cairnlog/core";
import type { Budget } from "./budget.ts";
import type { Listener, ListenerCounters, ListenerOptions, SyslogContext } from "./listener.ts";
import { allowedPeers, plainAddress, type IsAllowed } from "./peers.ts";
import { clientSource } from "./client-source.ts";

export interface Connection {
  readonly socket: Socket;
  /** Without the port. */
  readonly peer: string;
  readonly source: string;
  readonly options: ListenerOptions;
  readonly context: SyslogContext;
  readonly budget: Budget;
  readonly counters: ListenerCounters;
}

/** One connection that is served. */
export interface Session {
  /** Resolves when all is over: never rejects. */
  readonly ended: Promise<void>;
  /** Ends it in its protocol's own way, with all that was read durable; resolves like `ended`. */
  close(): Promise<void>;
}

export type StartSession = (connection: Connection) => Session;

export class StreamListener implements Listener {
  readonly options: ListenerOptions;
  readonly counters: ListenerCounters = newCounters();
  readonly #context: SyslogContext;
  readonly #budget: Budget;
  readonly #startSession: StartSession;
  readonly #isAllowed: IsAllowed;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #perPeer = new Map<string, number>();
  #isClosing = false;

  private constructor(
    options: ListenerOptions,
    context: SyslogContext,
    budget: Budget,
    startSession: StartSession,
  ) {
    this.options = options;
    this.#context = context;
    this.#budget = budget;
    this.#startSession = startSession;
    this.#isAllowed = allowedPeers(options.peers);
    this.#server = this.#createServer();
  }

  /** "usage" where it cannot listen there. */
  static async listen(
    options: ListenerOptions,
    context: SyslogContext,
    budget: Budget,
    startSession: StartSession,
  ): Promise<StreamListener> {
    const listener = new StreamListener(options, context, budget, startSession);
    await listener.#listen();
    return listener;
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return { host: this.options.host, port };
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await closed;
  }

  #createServer(): Server {
    const { tls } = this.options;
    const { handshakeMs } = this.#context.limits;
    if (this.options.transport === "tcp" || this.options.transport === "relp") {
      return createPlain({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    }
    if (tls === undefined) {
      throw new CairnError("usage", `${this.options.transport} needs a certificate and its key`);
    }
    const { cert, key, clientCa } = tls;
    const server = createTls({
      cert: asBuffer(cert),
      key: asBuffer(key),
      minVersion: "TLSv1.2",
      handshakeTimeout: handshakeMs,
      allowHalfOpen: true,
      ...(clientCa === undefined
        ? {}
        : { ca: asBuffer(clientCa), requestCert: true, rejectUnauthorized: true }),
    });
    // Before the handshake: who may not send costs us no cryptography.
    server.on("connection", (socket: Socket) => {
      if (!this.#admits(socket)) socket.destroy();
    });
    server.on("secureConnection", (socket) => this.#accept(socket));
    server.on("tlsClientError", (cause: Error, socket) => {
      this.counters.refused++;
      socket.destroy();
      this.#trouble(`a TLS connection could not be set up: ${cause.message}`, cause);
    });
    return server;
  }

  #listen(): Promise<void> {
    const { host, port, transport } = this.options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause: Error) => {
        const message = `${transport} cannot listen at ${host}:${port}: ${cause.message}`;
        reject(new CairnError("usage", message, { cause }));
      });
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners("error");
        this.#server.on("error", (cause: Error) => this.#trouble(cause.message, cause));
        resolve();
      });
    });
  }

  #admits(socket: Socket): boolean {
    const peer = plainAddress(socket.remoteAddress ?? "");
    const { connectionsMax, connectionsPerPeerMax } = this.#context.limits;
    const isRoom =
      this.#sessions.size < connectionsMax &&
      (this.#perPeer.get(peer) ?? 0) < connectionsPerPeerMax;
    const isAdmitted = !this.#isClosing && peer !== "" && isRoom && this.#isAllowed(peer);
    if (!isAdmitted) this.counters.refused++;
    return isAdmitted;
  }

  #accept(socket: Socket): void {
    const { options } = this;
    // Whatever goes wrong shows where it is read.
    socket.on("error", () => {});
    let { source } = options;
    try {
      if (!this.#admits(socket)) return void socket.destroy();
      if (options.tls?.clientCa !== undefined) {
        source = clientSource(options.source, (socket as TLSSocket).getPeerCertificate());
      }
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      this.counters.refused++;
      this.#context.onTrouble(error);
      return void socket.destroy();
    }
    const peer = plainAddress(socket.remoteAddress ?? "");
    // A peer that vanished without a word is found out, without closing on one that is only quiet.
    socket.setKeepAlive(true, 60_000);
    const session = this.#startSession({
      socket,
      peer,
      source,
      options,
      context: this.#context,
      budget: this.#budget,
      counters: this.counters,
    });
    this.#sessions.add(session);
    this.#perPeer.set(peer, (this.#perPeer.get(peer) ?? 0) + 1);
    this.counters.connections++;
    void session.ended.then(() => {
      this.#sessions.delete(session);
      const left = this.#perPeer.get(peer)! - 1;
      if (left > 0) this.#perPeer.set(peer, left);
      else this.#perPeer.delete(peer);
      this.counters.connections--;
    });
  }

  #trouble(message: string, cause: Error): void {
    const what = `${this.options.transport} at port ${this.address.port}: ${message}`;
    this.#context.onTrouble(new CairnError("unavailable", what, { cause }));
  }
}

export function newCounters(): ListenerCounters {
  return { connections: 0, messages: 0, bytes: 0, refused: 0, broken: 0, lost: 0 };
}

function asBuffer(pem: string | Uint8Array): Buffer {
  return Buffer.from(pem);
}
