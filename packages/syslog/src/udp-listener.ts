/**
 * Syslog over UDP (RFC 5426): one message a datagram, nobody is answered, and nobody can be slowed down. What is lost
 * is counted, here and by the kernel, and said once a minute.
 */
import { createSocket, type Socket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { CairnError } from "@cairnlog/core";
import { captureSyslog, type CapturedEvent, type SyslogArrival } from "@cairnlog/capture";
import { findKernelDrops } from "./kernel-drops.ts";
import type { Listener, ListenerCounters, ListenerOptions, SyslogContext } from "./listener.ts";
import { allowedPeers, plainAddress, type IsAllowed } from "./peers.ts";
import { newCounters } from "./stream-listener.ts";

interface Datagram {
  readonly bytes: Uint8Array;
  readonly peer: string;
  readonly receivedMs: number;
}

const reportMs = 60_000;
/** Asked of the kernel, which gives what its own limit (net.core.rmem_max) allows. */
const kernelBufferBytes = 8 * 1024 * 1024;
const batchMax = 1024;

export class UdpListener implements Listener {
  readonly options: ListenerOptions;
  readonly counters: ListenerCounters = newCounters();
  readonly #context: SyslogContext;
  readonly #isAllowed: IsAllowed;
  readonly #socket: Socket;
  #queue: Datagram[] = [];
  #queuedBytes = 0;
  #pump: Promise<void> | undefined;
  #lostInQueue = 0;
  #kernelDrops: number | undefined;
  #reportedAt: number;
  #timer: { cancel(): void } | undefined;

  private constructor(options: ListenerOptions, context: SyslogContext) {
    this.options = options;
    this.#context = context;
    this.#isAllowed = allowedPeers(options.peers);
    this.#socket = createSocket(isIPv6(options.host) ? "udp6" : "udp4");
    this.#reportedAt = context.clock.now();
  }

  static async listen(options: ListenerOptions, context: SyslogContext): Promise<UdpListener> {
    const listener = new UdpListener(options, context);
    await listener.#listen();
    return listener;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: this.options.host, port: this.#socket.address().port };
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.report();
    // What the kernel had received before this moment is read first.
    await new Promise((resolve) => setImmediate(resolve));
    this.#socket.close();
    await this.#pump;
  }

  /** Tells what was lost since the last time; also called every minute. */
  async report(): Promise<void> {
    const { port } = this.address;
    const total = await readKernelDrops(port, isIPv6(this.options.host));
    const before = this.#kernelDrops;
    const kernel = total === undefined || before === undefined ? undefined : total - before;
    const queue = this.#lostInQueue;
    const sinceMs = this.#reportedAt;
    this.#kernelDrops = total ?? before;
    this.#lostInQueue = 0;
    this.#reportedAt = this.#context.clock.now();
    this.counters.lost += kernel ?? 0;
    if ((kernel ?? 0) + queue === 0) return;
    const { host, source } = this.options;
    const listener = `udp ${host}:${port}`;
    this.#context.onLoss({ listener, source, kernel, queue, sinceMs });
  }

  #listen(): Promise<void> {
    const { host, port } = this.options;
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      socket.once("error", (cause: Error) => {
        const message = `udp cannot listen at ${host}:${port}: ${cause.message}`;
        reject(new CairnError("usage", message, { cause }));
      });
      socket.on("message", (bytes, { address }) => this.#take(bytes, plainAddress(address)));
      socket.bind({ address: host, port }, () => {
        socket.removeAllListeners("error");
        socket.on("error", (cause: Error) => {
          this.#context.onTrouble(
            new CairnError("unavailable", `udp: ${cause.message}`, { cause }),
          );
        });
        socket.setRecvBufferSize(kernelBufferBytes);
        readKernelDrops(this.address.port, isIPv6(host)).then((drops) => {
          this.#kernelDrops = drops;
          this.#again();
          resolve();
        }, reject);
      });
    });
  }

  #again(): void {
    this.#timer = this.#context.clock.setTimer(() => {
      this.report().then(
        () => this.#again(),
        (cause: unknown) => {
          const why = cause instanceof Error ? cause.message : String(cause);
          this.#context.onTrouble(new CairnError("unavailable", `udp: ${why}`, { cause }));
        },
      );
    }, reportMs);
  }

  #take(bytes: Uint8Array, peer: string): void {
    const { limits, clock } = this.#context;
    if (!this.#isAllowed(peer)) {
      this.counters.refused++;
      return;
    }
    if (bytes.length === 0) return;
    if (this.#queuedBytes + bytes.length > limits.datagramBytesMax) {
      this.#lostInQueue++;
      this.counters.lost++;
      return;
    }
    this.counters.messages++;
    this.counters.bytes += bytes.length;
    this.#queue.push({ bytes, peer, receivedMs: clock.now() });
    this.#queuedBytes += bytes.length;
    this.#pump ??= this.#run();
  }

  async #run(): Promise<void> {
    const { record } = this.#context;
    // What arrives in the same turn goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, batchMax);
      const byteLength = batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
      try {
        await record(
          batch.map((datagram) => this.#capture(datagram)),
          this.options.source,
        );
      } catch (cause) {
        this.#lostInQueue += batch.length;
        this.counters.lost += batch.length;
        const why = cause instanceof Error ? cause.message : String(cause);
        const what = `${batch.length} datagrams could not be recorded: ${why}`;
        this.#context.onTrouble(new CairnError("unavailable", what, { cause }));
      }
      this.#queuedBytes -= byteLength;
    }
    this.#pump = undefined;
  }

  #capture({ bytes, peer, receivedMs }: Datagram): CapturedEvent {
    const { zone } = this.options;
    const arrival: SyslogArrival = { receivedMs, peer, ...(zone === undefined ? {} : { zone }) };
    // RFC 5426 has one message a datagram; some senders end it as they would a line.
    const isLine = bytes.length > 1 && bytes.at(-1) === 0x0a;
    return captureSyslog(isLine ? bytes.subarray(0, -1) : bytes, arrival);
  }
}

/** What the kernel has dropped at this port; undefined where it does not say (not Linux). */
async function readKernelDrops(port: number, isV6: boolean): Promise<number | undefined> {
  try {
    const table = await readFile(isV6 ? "/proc/net/udp6" : "/proc/net/udp", "latin1");
    return findKernelDrops(table, port);
  } catch {
    return undefined;
  }
}
