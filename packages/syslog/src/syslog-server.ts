/** All listeners of a process, with what they share: the room for what is read and not yet durable. */
import { Budget } from "./budget.ts";
import {
  defaultSyslogLimits,
  type Listener,
  type ListenerOptions,
  type SyslogContext,
  type SyslogLimits,
} from "./listener.ts";
import { RelpSession } from "./relp-session.ts";
import { StreamListener } from "./stream-listener.ts";
import { StreamSession } from "./stream-session.ts";
import { UdpListener } from "./udp-listener.ts";

export type SyslogServerOptions = Omit<SyslogContext, "limits"> & {
  readonly limits?: Partial<SyslogLimits>;
};

export class SyslogServer {
  readonly listeners: readonly Listener[];
  readonly #budget: Budget;
  #closed: Promise<void> | undefined;

  private constructor(listeners: readonly Listener[], budget: Budget) {
    this.listeners = listeners;
    this.#budget = budget;
  }

  /** Starts all of them, or none: "usage" where one cannot listen. */
  static async start(
    wanted: readonly ListenerOptions[],
    options: SyslogServerOptions,
  ): Promise<SyslogServer> {
    const context: SyslogContext = {
      ...options,
      onTrouble: oncePerMinute(options),
      limits: { ...defaultSyslogLimits, ...options.limits },
    };
    const budget = new Budget(context.limits.pendingBytesMax);
    const listeners: Listener[] = [];
    try {
      for (const each of wanted) listeners.push(await start(each, context, budget));
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()));
      throw error;
    }
    return new SyslogServer(listeners, budget);
  }

  /** Bytes that were read from streams and are not yet durable. */
  get pendingBytes(): number {
    return this.#budget.heldBytes;
  }

  /** Takes nothing new; what was read is durable, and answered, when it resolves. */
  close(): Promise<void> {
    this.#closed ??= Promise.all(this.listeners.map((listener) => listener.close())).then(() => {});
    return this.#closed;
  }
}

function start(
  options: ListenerOptions,
  context: SyslogContext,
  budget: Budget,
): Promise<Listener> {
  switch (options.transport) {
    case "udp":
      return UdpListener.listen(options, context);
    case "tcp":
    case "tls":
      return StreamListener.listen(
        options,
        context,
        budget,
        (connection) => new StreamSession(connection),
      );
    case "relp":
    case "relp-tls":
      return StreamListener.listen(
        options,
        context,
        budget,
        (connection) => new RelpSession(connection),
      );
  }
}

/** Whoever knocks all the time makes one line a minute. */
function oncePerMinute({ clock, onTrouble }: SyslogServerOptions): SyslogContext["onTrouble"] {
  const told = new Map<string, number>();
  return (error) => {
    const now = clock.now();
    const last = told.get(error.message);
    if (last !== undefined && Math.abs(now - last) < 60_000) return;
    // A bound, for messages may be many.
    if (told.size >= 256) told.clear();
    told.set(error.message, now);
    onTrouble(error);
  };
}
