/**
 * One connection of plain syslog, over TCP or TLS. The protocol has no answers: all that can be done for the sender is
 * not to read faster than the log takes it, and to read to the end what it had sent when we stop.
 */
import { CairnError } from "@cairnlog/core";
import { captureSyslog, type CapturedEvent, type SyslogArrival } from "@cairnlog/capture";
import { InFlight } from "./in-flight.ts";
import { StreamFrames, type Frame } from "./stream-frames.ts";
import { chunksOf } from "./socket-ways.ts";
import type { Connection, Session } from "./stream-listener.ts";

export class StreamSession implements Session {
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  readonly #frames: StreamFrames;
  readonly #inFlight: InFlight;

  constructor(connection: Connection) {
    const { context, source, budget } = connection;
    this.#connection = connection;
    this.#frames = new StreamFrames(context.limits.messageBytesMax);
    this.#inFlight = new InFlight(context.record, source, budget, () => {
      connection.socket.destroy();
    });
    this.ended = this.#run();
  }

  /** Says that nothing more is wanted, and takes what was on its way. */
  async close(): Promise<void> {
    const { socket, context } = this.#connection;
    socket.end();
    const timer = context.clock.setTimer(() => socket.destroy(), context.limits.drainMs);
    await this.ended;
    timer.cancel();
  }

  async #run(): Promise<void> {
    const { socket, context, counters } = this.#connection;
    const { idleMs } = context.limits;
    if (idleMs > 0) socket.setTimeout(idleMs, () => socket.destroy());
    let isClean = false;
    try {
      try {
        for await (const chunk of chunksOf(socket)) await this.#take(chunk);
        isClean = true;
      } catch (error) {
        if (error instanceof CairnError) throw error;
        // The connection broke. What came of it counts.
      }
      const rest = this.#frames.end(isClean);
      if (rest?.isTorn === true) counters.broken++;
      if (rest !== undefined) await this.#record([rest], rest.bytes.length);
      await this.#inFlight.settled();
    } catch (cause) {
      this.#tell(cause);
    } finally {
      socket.destroy();
    }
  }

  async #take(chunk: Buffer): Promise<void> {
    const { counters } = this.#connection;
    counters.bytes += chunk.length;
    const frames = this.#frames.push(chunk);
    if (frames.length > 0) await this.#record(frames, chunk.length);
  }

  async #record(frames: readonly Frame[], byteLength: number): Promise<void> {
    const { counters, context, options, peer } = this.#connection;
    counters.messages += frames.length;
    const receivedMs = context.clock.now();
    const arrival: SyslogArrival = {
      receivedMs,
      peer,
      ...(options.zone === undefined ? {} : { zone: options.zone }),
    };
    await this.#inFlight.add(eventsOf(frames, arrival), byteLength);
  }

  #tell(cause: unknown): void {
    const { context, peer, options, counters } = this.#connection;
    counters.broken++;
    const why = cause instanceof Error ? cause.message : String(cause);
    const what = `what ${peer} sent over ${options.transport} could not be recorded`;
    context.onTrouble(
      new CairnError("unavailable", `${what}, and the connection was closed: ${why}`, { cause }),
    );
  }
}

function eventsOf(frames: readonly Frame[], arrival: SyslogArrival): CapturedEvent[] {
  return frames.map(({ bytes, piece, isTorn }) =>
    piece === undefined && isTorn === undefined
      ? captureSyslog(bytes, arrival)
      : captureSyslog(bytes, {
          ...arrival,
          ...(piece === undefined ? {} : { piece }),
          ...(isTorn === undefined ? {} : { isTorn }),
        }),
  );
}
