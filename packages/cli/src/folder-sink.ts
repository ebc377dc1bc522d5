/**
 * Appends to a log in a data folder that no other process holds: the log runs in this process while
 * it does.
 */
import { base64, CairnError, isCairnError } from "@cairnlog/core";
import {
  openLog,
  readEvent,
  readJsonArray,
  readNdjson,
  type EventBatch,
  type Log,
  type LogOptions,
} from "@cairnlog/log";
import type { Store } from "@cairnlog/store";
import type { BlobFile } from "./blob-file.ts";
import type { Answer, EventBody, LogSink, Outcome } from "./log-view.ts";

export class FolderSink implements LogSink {
  readonly place: string;
  readonly #log: Log;
  readonly #source: string;

  private constructor(place: string, log: Log, source: string) {
    this.place = place;
    this.#log = log;
    this.#source = source;
  }

  /**
   * "locked", with what to do, where a server or an app holds the log. `options`: a log with
   * witnesses has them whoever opens it, else its published checkpoint would lose its quorum.
   */
  static async open(
    store: Store,
    name: string,
    source: string,
    options: LogOptions = {},
  ): Promise<FolderSink> {
    try {
      return new FolderSink(store.location, await openLog(store, name, options), source);
    } catch (error) {
      if (!isCairnError(error, "locked")) throw error;
      throw new CairnError(
        "locked",
        `${error.message}; --url and --key (or CAIRN_URL and CAIRN_KEY) send events to it.`,
        { cause: error },
      );
    }
  }

  async putBlob({ name, open }: BlobFile): Promise<void> {
    await this.#log.putBlobStream(name.sha256, open(), name.byteLength);
  }

  async append(body: EventBody, receipt: "full" | "short"): Promise<Answer> {
    const { origin } = this.#log;
    let batch: EventBatch;
    try {
      batch = readBody(body);
    } catch (error) {
      if (body.form !== "one" || !isCairnError(error)) throw error;
      return { outcomes: [{ error }], origin, checkpoint: undefined };
    }
    if (batch.count === 0) return { outcomes: [], origin, checkpoint: undefined };
    const appended = await this.#log.append(batch, this.#source);
    const outcomes: Outcome[] = [];
    for (let i = 0; i < appended.count; i++) {
      const error = appended.refusal(i);
      if (error !== undefined) {
        outcomes.push({ error });
        continue;
      }
      const proof = receipt === "full" ? await appended.inclusionProof(i) : undefined;
      outcomes.push({
        seq: appended.seq(i),
        leafHash: base64(appended.leafHash(i)),
        duplicate: appended.isDuplicate(i),
        ...(proof === undefined ? {} : { proof: proof.map(base64) }),
      });
    }
    const isNothing = appended.refused === appended.count;
    return { outcomes, origin, checkpoint: isNothing ? undefined : appended.checkpoint.note };
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

function readBody({ form, bytes }: EventBody): EventBatch {
  if (form === "one") return readEvent(bytes);
  return form === "array" ? readJsonArray(bytes) : readNdjson(bytes);
}
