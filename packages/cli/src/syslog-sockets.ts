/**
 * `cairn serve --syslog-tls … --relp …`: the sockets of syslog, and what brings their events into a log.
 *
 * All of them go to one log. What is recorded is durable when `record` resolves; while the log has no room it waits,
 * and senders wait with it.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { asDetails, parseZone, renderCaptured, type CapturedEvent } from "@cairnlog/capture";
import { CairnError, eventByteLengthMax, isCairnError, parseUtf8 } from "@cairnlog/core";
import { systemClock, type Appended, type Log } from "@cairnlog/log";
import type { Companion, Figure } from "@cairnlog/server";
import type * as SyslogModule from "@cairnlog/syslog";
import type { ListenerOptions, ListenerTls, SyslogServer, Transport } from "@cairnlog/syslog";
import type { Address } from "./setting-types.ts";
import type { Settings } from "./settings.ts";

export interface SyslogPlace {
  readonly find: (log: string) => Log | undefined;
  readonly tell: (line: string) => void;
}

/** The setting behind each transport. */
const settingsOf = {
  tcp: "syslogTcp",
  tls: "syslogTls",
  udp: "syslogUdp",
  relp: "relp",
  "relp-tls": "relpTls",
} as const satisfies Record<Transport, keyof Settings>;
const transports = Object.keys(settingsOf) as readonly Transport[];

const figures = [
  ["connections", "Connections that are open", "gauge"],
  ["messages", "Messages received", "counter"],
  ["refused", "Connections and datagrams refused", "counter"],
  ["broken", "Connections that broke off within a message or could not be read", "counter"],
  ["lost", "Datagrams lost", "counter"],
] as const;

export class SyslogSockets implements Companion {
  readonly #server: SyslogServer;
  readonly #logName: string;

  private constructor(server: SyslogServer, logName: string) {
    this.#server = server;
    this.#logName = logName;
  }

  /** Undefined where no socket is wanted. "usage" where one cannot be opened, or its log is not there. */
  static async start(
    settings: Settings,
    { find, tell }: SyslogPlace,
  ): Promise<SyslogSockets | undefined> {
    const wanted = listenersOf(settings);
    if (wanted.length === 0) return undefined;
    const { syslogLog } = settings;
    const log = find(syslogLog);
    if (log === undefined) {
      throw new CairnError("usage", `--syslog-log: there is no log ${JSON.stringify(syslogLog)}`);
    }
    // Loaded only where it is wanted.
    const { SyslogServer, lossEvent }: typeof SyslogModule = await import("@cairnlog/syslog");
    const record = recorder(log);
    const server = await SyslogServer.start(wanted, {
      record,
      clock: systemClock,
      limits: { messageBytesMax: settings.syslogMessageMax },
      onTrouble: (error) => tell(`syslog: ${error.message}`),
      onLoss: (loss) => {
        const event = lossEvent(loss);
        tell(`syslog: datagrams were lost at ${loss.listener}: ${JSON.stringify(event.details)}`);
        record([{ event }], loss.source).catch((error: unknown) => {
          tell(`syslog: that datagrams were lost could not be recorded: ${String(error)}`);
        });
      },
    });
    return new SyslogSockets(server, syslogLog);
  }

  /** `relp` and `127.0.0.1:2514`, for each that is open. */
  addresses(): { readonly transport: Transport; readonly address: string }[] {
    return this.#server.listeners.map(({ options, address: { host, port } }) => ({
      transport: options.transport,
      address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    }));
  }

  trouble(): undefined {
    return undefined;
  }

  figures(): Figure[] {
    return transports.flatMap((transport) => {
      const listener = this.#server.listeners.find(
        ({ options }) => options.transport === transport,
      );
      const name = transport.replace("-", "_");
      return figures.map(([what, help, kind]) => ({
        name: `cairn_syslog_${name}_${what}${kind === "counter" ? "_total" : ""}`,
        help: `${help}, over ${transport}.`,
        kind,
        values:
          listener === undefined ? [] : [{ log: this.#logName, value: listener.counters[what] }],
      }));
    });
  }

  /** What was read is durable, and answered over RELP, when it resolves. The log is still open. */
  close(): Promise<void> {
    return this.#server.close();
  }
}

function listenersOf(settings: Settings): ListenerOptions[] {
  const { syslogSource, syslogPeers, syslogZone } = settings;
  const zone = parseZone(syslogZone);
  if (!/^[a-z0-9._/-]{1,64}$/.test(syslogSource)) {
    throw new CairnError(
      "usage",
      `--syslog-source: expected 1 to 64 of a-z 0-9 . _ / -, not ${JSON.stringify(syslogSource)}`,
    );
  }
  return transports.flatMap((transport): ListenerOptions[] => {
    const address: Address | undefined = settings[settingsOf[transport]];
    if (address === undefined) return [];
    const needsTls = transport === "tls" || transport === "relp-tls";
    return [
      {
        transport,
        ...address,
        source: syslogSource,
        zone,
        ...(syslogPeers === undefined ? {} : { peers: syslogPeers }),
        ...(needsTls ? { tls: tlsOf(settings) } : {}),
      },
    ];
  });
}

function tlsOf(settings: Settings): ListenerTls {
  const cert = settings.syslogTlsCert ?? settings.tlsCert;
  const key = settings.syslogTlsKey ?? settings.tlsKey;
  if (cert === undefined || key === undefined) {
    throw new CairnError(
      "usage",
      "--syslog-tls and --relp-tls need --syslog-tls-cert and --syslog-tls-key (or --tls-cert and --tls-key)",
    );
  }
  const { syslogClientCa } = settings;
  return {
    cert: readPem(cert),
    key: readPem(key),
    ...(syslogClientCa === undefined ? {} : { clientCa: readPem(syslogClientCa) }),
  };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `a file for syslog over TLS cannot be read: ${why}`, {
      cause,
      place: { path },
    });
  }
}

/** Brings events into `log`. */
export function recorder(log: Log) {
  return async (events: readonly CapturedEvent[], source: string): Promise<void> => {
    const appended = await append(log, events, source);
    const taken: CapturedEvent[] = [];
    for (let i = 0; appended.refused > 0 && i < appended.count; i++) {
      const refusal = appended.refusal(i);
      if (refusal === undefined) continue;
      if (refusal.code !== "conflict") throw refusal;
      taken.push(withoutId(events[i]!));
    }
    // Under that id the log has another message, and has said so in an entry of its own. This one counts all the same.
    if (taken.length > 0) await append(log, taken, source);
  };
}

function withoutId(captured: CapturedEvent): CapturedEvent {
  const { id, details, ...event } = captured.event;
  return { ...captured, event: { ...event, details: { ...asDetails(details), takenId: id } } };
}

async function append(
  log: Log,
  events: readonly CapturedEvent[],
  source: string,
): Promise<Appended> {
  const lines: string[] = [];
  for (const captured of events) {
    const { event, blobs } = captured;
    const text = blobs === undefined ? JSON.stringify(event) : undefined;
    // A UTF-16 code unit has at most three bytes: what is so short need not be measured.
    if (text !== undefined && text.length * 3 <= eventByteLengthMax) {
      lines.push(text);
      continue;
    }
    const rendered = renderCaptured(captured, sha256);
    for (const blob of rendered.blobs) await log.putBlob(blob.bytes);
    lines.push(parseUtf8(rendered.bytes));
  }
  const bytes = Buffer.from(lines.join("\n"));
  return whenThereIsRoom(() => log.appendNdjson(bytes, source));
}

/** A full queue is no reason to lose anything: senders are slowed down, and it is tried again. */
async function whenThereIsRoom<T>(append: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await append();
    } catch (error) {
      if (!isCairnError(error, "overloaded")) throw error;
      await sleep(error.retryAfterMs ?? 100);
    }
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
