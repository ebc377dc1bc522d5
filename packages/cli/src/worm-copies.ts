/**
 * `cairn serve --worm`: one copier for each log that is served, those that are created later among them. A bucket that
 * is in trouble never keeps a log from serving: it shows as a lag, and on standard error.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { systemClock, type Log } from "@cairnlog/log";
import type { Companion, Figure } from "@cairnlog/server";
import type { LogReader, Store } from "@cairnlog/store";
import type * as WormModule from "@cairnlog/worm";
import type { Bucket, WormCopier, WormStatus } from "@cairnlog/worm";
import type { Settings } from "./settings.ts";

export interface WormSource {
  /** The logs that are open, now. */
  list(): readonly Log[];
  readonly store: Pick<Store, "openReader">;
  readonly tell: (line: string) => void;
}

type Worm = typeof WormModule;

/** How often somebody looks whether a log was created. */
const lookMs = 5_000;
const dayMs = 24 * 3_600_000;

export class WormCopies implements Companion {
  readonly #worm: Worm;
  readonly #bucket: Bucket;
  readonly #settings: Settings;
  readonly #source: WormSource;
  readonly #retentionMs: number;
  readonly #copiers = new Map<
    string,
    { readonly copier: WormCopier; readonly reader: LogReader }
  >();
  #timer: { cancel(): void } | undefined;

  private constructor(worm: Worm, bucket: Bucket, settings: Settings, source: WormSource) {
    this.#worm = worm;
    this.#bucket = bucket;
    this.#settings = settings;
    this.#source = source;
    this.#retentionMs = (settings.wormRetentionDays ?? 0) * dayMs;
  }

  /**
   * Undefined without `--worm`. "usage" where a setting is missing, or the bucket says that it has no Object Lock; one
   * that says nothing is waited for.
   */
  static async start(settings: Settings, source: WormSource): Promise<WormCopies | undefined> {
    const { worm: target, wormRetentionDays } = settings;
    if (target === undefined) return undefined;
    if (wormRetentionDays === undefined) {
      throw new CairnError(
        "usage",
        "--worm needs --worm-retention-days: for so long nobody can delete the copies, you neither",
      );
    }
    const worm = await import("@cairnlog/worm");
    const place = worm.parseBucketPlace(target);
    const bucket = new worm.Bucket(worm.openClient(bucketOptions(settings)), place);
    try {
      await bucket.checkLockEnabled();
    } catch (error) {
      if (!isCairnError(error) || error.code === "usage" || error.code === "not_found") throw error;
      source.tell(`write-once copies have to wait: ${error.message}`);
    }
    const copies = new WormCopies(worm, bucket, settings, source);
    await copies.#look();
    return copies;
  }

  /** In order of the logs' names. */
  statuses(): WormStatus[] {
    return [...this.#copiers.values()]
      .map(({ copier }) => copier.status())
      .sort((a, b) => (a.log < b.log ? -1 : 1));
  }

  trouble(): string | undefined {
    return this.statuses()
      .map(this.#worm.findWormTrouble)
      .find((each) => each !== undefined);
  }

  figures(): Figure[] {
    const statuses = this.statuses();
    const { wormGauges, wormTotals } = this.#worm;
    const figure = (kind: Figure["kind"], [name, help, read]: (typeof wormGauges)[0]): Figure => ({
      name,
      help,
      kind,
      values: statuses.map((status) => ({ log: status.log, value: read(status) })),
    });
    return [
      ...wormGauges.map((each) => figure("gauge", each)),
      ...wormTotals.map((each) => figure("counter", each)),
    ];
  }

  /** Copies the last checkpoints, as far as that goes quickly. The logs are still open. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    const copiers = [...this.#copiers.values()];
    await Promise.all(copiers.map(({ copier }) => copier.close()));
    this.#bucket.close();
    await Promise.all(copiers.map(({ reader }) => reader.close()));
  }

  async #look(): Promise<void> {
    for (const log of this.#source.list()) {
      if (!this.#copiers.has(log.name)) await this.#add(log);
    }
    this.#timer = systemClock.setTimer(() => {
      this.#look().catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        this.#source.tell(`write-once copies: ${why}`);
      });
    }, lookMs);
  }

  async #add(log: Log): Promise<void> {
    const { tell, store } = this.#source;
    const reader = await store.openReader(log.name);
    const bucket = this.#bucket.inside(this.#worm.placeInside(this.#bucket.place, log.name));
    const copier = new this.#worm.WormCopier({
      log,
      reader,
      bucket,
      clock: systemClock,
      retentionMs: this.#retentionMs,
      intervalMs: this.#settings.wormInterval,
      onAlarm: ({ code, path, message }) => tell(`ALARM ${code}, ${log.name}, ${path}: ${message}`),
      onFailure: (error) => tell(`write-once copies of ${log.name} wait: ${error.message}`),
    });
    this.#copiers.set(log.name, { copier, reader });
    copier.start();
  }
}

/** Where the S3 is; credentials come from the SDK's own variables and files. */
export function bucketOptions({ s3Endpoint, s3Region, s3PathStyle }: Settings) {
  return {
    ...(s3Endpoint === undefined ? {} : { endpoint: s3Endpoint }),
    ...(s3Region === undefined ? {} : { region: s3Region }),
    pathStyle: s3PathStyle,
  };
}
