/**
 * Which sources of a log have agreed to say something every so often: API keys and senders with `silentAfterMs`. The
 * logs are told when it changes; whether somebody is silent is theirs to notice.
 */
import type { LogRegistry } from "./registry.ts";
import type { KeySource } from "./key-ring.ts";
import type { SourceRegistry } from "./sources/source-ring.ts";

/** How often the files with keys and senders are looked at. */
const lookMs = 2000;

export class AgreedSilences {
  readonly #logs: LogRegistry;
  readonly #keys: KeySource;
  readonly #sources: SourceRegistry;
  readonly #told = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(logs: LogRegistry, keys: KeySource, sources: SourceRegistry) {
    this.#logs = logs;
    this.#keys = keys;
    this.#sources = sources;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Tells each log what is agreed now, where that is not what it was told before. */
  look(): void {
    for (const log of this.#logs.list()) {
      const agreed = this.#agreedFor(log.name);
      // A file that cannot be read for a moment changes nothing.
      if (agreed === undefined) continue;
      const text = JSON.stringify([...agreed].sort(([a], [b]) => (a < b ? -1 : 1)));
      if ((this.#told.get(log.name) ?? "[]") === text) continue;
      this.#told.set(log.name, text);
      log.sources.agreeSilences(agreed).catch(() => this.#told.delete(log.name));
    }
  }

  #agreedFor(log: string): ReadonlyMap<string, number> | undefined {
    const agreed = new Map<string, number>();
    const add = (source: string, ms: number): void => {
      agreed.set(source, Math.min(ms, agreed.get(source) ?? Infinity));
    };
    try {
      for (const [source, ms] of this.#keys.silences?.(log) ?? []) add(source, ms);
      for (const { name, log: of, silentAfterMs } of this.#sources.list()) {
        if (of === log && silentAfterMs !== undefined) add(name, silentAfterMs);
      }
    } catch {
      return undefined;
    }
    return agreed;
  }
}
