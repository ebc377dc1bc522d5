/** What a listener is, and what it needs from whoever starts it. The log itself is one small function. */
import type { CairnError } from "@cairnlog/core";
import type { CapturedEvent, Zone } from "@cairnlog/capture";

/**
 * Records events in order, durably by the time it resolves. While the log has no room it waits; it rejects only where
 * trying again cannot help, as when the log is closing. Calls of one connection overlap, and must keep their order.
 */
export type RecordEvents = (events: readonly CapturedEvent[], source: string) => Promise<void>;

export type Transport = "tcp" | "tls" | "udp" | "relp" | "relp-tls";

export interface ListenerTls {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** CAs of clients: with them, a client without a certificate of theirs is refused. */
  readonly clientCa?: string | Uint8Array;
}

export interface ListenerOptions {
  readonly transport: Transport;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Alias of the source. With client certificates, `/` and the certificate's name follow. */
  readonly source: string;
  /** For `tls` and `relp-tls`. */
  readonly tls?: ListenerTls;
  /** Addresses and networks (`192.0.2.0/24`) that may send. Default: all. */
  readonly peers?: readonly string[];
  /** Where clocks stand that name no zone. Default: UTC. */
  readonly zone?: Zone;
}

export interface SyslogLimits {
  /** A longer message is recorded in pieces of this size. */
  readonly messageBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerPeerMax: number;
  /** Bytes that were read and are not yet durable, over all streams. */
  readonly pendingBytesMax: number;
  /** Bytes of datagrams that wait for the log; what comes beyond is lost, and counted. */
  readonly datagramBytesMax: number;
  /**
   * A connection that says nothing for so long is closed; 0 for never. With plain syslog that can cost the sender a
   * message: it finds out only by writing.
   */
  readonly idleMs: number;
  /** How long a connection may take to be set up: TLS, and RELP's `open`. */
  readonly handshakeMs: number;
  /** At the end: how long to read on for what senders had sent already. */
  readonly drainMs: number;
}

export const defaultSyslogLimits: SyslogLimits = {
  messageBytesMax: 256 * 1024,
  connectionsMax: 512,
  connectionsPerPeerMax: 128,
  pendingBytesMax: 16 * 1024 * 1024,
  datagramBytesMax: 16 * 1024 * 1024,
  idleMs: 0,
  handshakeMs: 10_000,
  drainMs: 500,
};

/** Datagrams that were lost, in the time since the last such report. */
export interface Loss {
  readonly listener: string;
  readonly source: string;
  /** Lost by the kernel, whose buffer was full; undefined where it does not say. */
  readonly kernel: number | undefined;
  /** Lost here, because the log was behind. */
  readonly queue: number;
  readonly sinceMs: number;
}

export interface SyslogClock {
  now(): number;
  setTimer(run: () => void, delayMs: number): { cancel(): void };
}

export interface SyslogContext {
  readonly record: RecordEvents;
  readonly clock: SyslogClock;
  readonly limits: SyslogLimits;
  /** Called at most once a minute and listener. */
  readonly onLoss: (loss: Loss) => void;
  /** What an operator should read: a listener that failed, a connection that was broken off. */
  readonly onTrouble: (error: CairnError) => void;
}

/** Totals since the start, but `connections`. */
export interface ListenerCounters {
  connections: number;
  messages: number;
  bytes: number;
  /** Connections and datagrams of peers that are not allowed, or too many. */
  refused: number;
  /** Streams that broke off within a message, or that nobody can read. */
  broken: number;
  /** Datagrams. */
  lost: number;
}

export interface Listener {
  readonly options: ListenerOptions;
  readonly address: { readonly host: string; readonly port: number };
  readonly counters: Readonly<ListenerCounters>;
  /** Takes nothing new; what was read is durable, and answered where the protocol has answers, when it resolves. */
  close(): Promise<void>;
}
