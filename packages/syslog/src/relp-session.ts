/**
 * One connection of RELP, the server's side: each message is answered, in order, and only when it is durable.
 *
 * Nothing is ever answered "500" that might go well another time: librelp, which rsyslog sends with, takes such an
 * answer for the end of the message and drops it. The connection is broken off instead, and the sender sends all that
 * was not answered again, over the next one. Those messages may be in the log twice: RELP's numbers begin anew with
 * each connection, so only a message with an id of its own can be recognised (`syslog-event.ts`).
 */
import { CairnError } from "@cairnlog/core";
import { captureSyslog, type CapturedEvent, type SyslogArrival } from "@cairnlog/capture";
import { InFlight } from "./in-flight.ts";
import { RelpFrames, parseOffers, relpFrame, txnrMax, type RelpFrame } from "./relp-frames.ts";
import { chunksOf, drained, endGently } from "./socket-ways.ts";
import type { Connection, Session } from "./stream-listener.ts";

const software = "cairn";

export class RelpSession implements Session {
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  readonly #frames: RelpFrames;
  readonly #inFlight: InFlight;
  #isOpen = false;
  #isOver = false;
  #expectedTxnr = 1;
  #taking: Promise<void> = Promise.resolve();

  constructor(connection: Connection) {
    const { context, source, budget } = connection;
    this.#connection = connection;
    this.#frames = new RelpFrames(context.limits.messageBytesMax);
    this.#inFlight = new InFlight(context.record, source, budget, () => {
      connection.socket.destroy();
    });
    this.ended = this.#run();
  }

  /** Answers what was read, and says that the server closes: what was not read the sender keeps. */
  async close(): Promise<void> {
    const { socket, context } = this.#connection;
    const wasOpen = this.#isOpen && !this.#isOver;
    this.#isOver = true;
    // What they fail with is told where the connection is read.
    await this.#taking.catch(() => {});
    await this.#inFlight.settled().catch(() => {});
    if (wasOpen) socket.write(relpFrame(0, "serverclose"));
    socket.end();
    const timer = context.clock.setTimer(() => socket.destroy(), context.limits.drainMs);
    await this.ended;
    timer.cancel();
  }

  async #run(): Promise<void> {
    const { socket, context } = this.#connection;
    const { idleMs, handshakeMs } = context.limits;
    const handshake = context.clock.setTimer(() => {
      if (!this.#isOpen) socket.destroy();
    }, handshakeMs);
    if (idleMs > 0) socket.setTimeout(idleMs, () => socket.destroy());
    try {
      // When it is over the rest is read and let go: closing on unread bytes would reset the connection, and with it
      // answers that are still under way.
      for await (const chunk of chunksOf(socket)) {
        if (this.#isOver) continue;
        this.#taking = this.#take(chunk);
        await this.#taking;
        // Who does not read our answers is not read either.
        await drained(socket);
      }
      await this.#inFlight.settled();
      await endGently(socket, context.clock, context.limits.drainMs);
    } catch (cause) {
      this.#tell(this.#inFlight.failure ?? cause);
    } finally {
      handshake.cancel();
      this.#isOver = true;
      socket.destroy();
    }
  }

  async #take(chunk: Buffer): Promise<void> {
    const { counters } = this.#connection;
    counters.bytes += chunk.length;
    // Messages that came together go into the log together, and their answers leave together.
    let events: CapturedEvent[] = [];
    let answers = "";
    let byteLength = 0;
    const flush = async (): Promise<void> => {
      const text = answers;
      const batch = events;
      const held = byteLength;
      [events, answers, byteLength] = [[], "", 0];
      if (batch.length > 0) await this.#inFlight.add(batch, held, () => this.#write(text));
    };
    for (const frame of this.#frames.push(chunk)) {
      if (frame.command === "syslog" && this.#isOpen && !this.#isOver) {
        const isLast = frame.piece?.isLast ?? true;
        if (isLast) this.#count(frame);
        events.push(this.#capture(frame));
        byteLength += frame.data.length;
        if (isLast) {
          answers += relpFrame(frame.txnr, "rsp", "200 OK");
          counters.messages++;
        }
      } else {
        await flush();
        if (this.#isOver || (await this.#obey(frame))) return;
      }
    }
    await flush();
  }

  #capture({ data, piece }: RelpFrame): CapturedEvent {
    const { context, options, peer } = this.#connection;
    const arrival: SyslogArrival = {
      receivedMs: context.clock.now(),
      peer,
      ...(options.zone === undefined ? {} : { zone: options.zone }),
      ...(piece === undefined ? {} : { piece }),
    };
    return captureSyslog(data, arrival);
  }

  /** Any command but a message. True if it was the last one. */
  async #obey(frame: RelpFrame): Promise<boolean> {
    // Hints have no answer, and none that a client may send means anything to us.
    if (frame.txnr === 0) return false;
    if (frame.piece?.isLast === false) return false;
    this.#count(frame);
    switch (frame.command) {
      case "open":
        this.#open(frame);
        return false;
      case "close":
        await this.#inFlight.settled();
        this.#write(relpFrame(frame.txnr, "rsp"));
        this.#isOver = true;
        this.#connection.socket.end();
        return true;
      case "syslog":
        throw new CairnError("malformed", "a message came before the session was opened");
      default:
        this.#write(relpFrame(frame.txnr, "rsp", "500 command not supported"));
        return false;
    }
  }

  #open({ txnr, data }: RelpFrame): void {
    const offers = parseOffers(data);
    if (this.#isOpen || offers === undefined || !offers.commands.includes("syslog")) {
      const why = this.#isOpen ? "connection already open" : "syslog and relp_version are required";
      this.#write(relpFrame(txnr, "rsp", `500 ${why}`));
      throw new CairnError("malformed", `a session cannot be opened: ${why}`);
    }
    this.#isOpen = true;
    // librelp calls the protocol's only version 0.
    const version = Math.min(offers.version, 1);
    const ours = [`relp_version=${version}`, `relp_software=${software}`, "commands=syslog"];
    this.#write(relpFrame(txnr, "rsp", ["200 OK", ...ours].join("\n")));
  }

  /** Numbers go up by one: a skipped one would be a message that nobody misses. */
  #count({ txnr }: RelpFrame): void {
    if (txnr !== this.#expectedTxnr) {
      const what = `transaction ${txnr} came where ${this.#expectedTxnr} was to come`;
      throw new CairnError("malformed", what);
    }
    this.#expectedTxnr = txnr === txnrMax ? 1 : txnr + 1;
  }

  #write(text: string): void {
    const { socket } = this.#connection;
    if (socket.writable) socket.write(text, "latin1");
  }

  #tell(cause: unknown): void {
    const { context, peer, options, counters } = this.#connection;
    counters.broken++;
    // That a peer goes away is no news: what it was not told is safe it sends again.
    if (!(cause instanceof CairnError)) return;
    const what = `the connection of ${peer} over ${options.transport} was broken off`;
    context.onTrouble(new CairnError(cause.code, `${what}: ${cause.message}`, { cause }));
  }
}
