/**
 * The thread that seals segments, one for all logs of a process, started when the first segment is full and ended
 * when there has been nothing to do for a while. Private keys never go there: the thread asks for the signature.
 */
import {
  CairnError,
  isCairnError,
  type CairnErrorCode,
  type ErrorPlace,
  type Seal,
} from "@cairnlog/core";
import type { SealingJob, SignSeal } from "./seal-segment.ts";
import { workerUrl, WorkerThread } from "./worker-thread.ts";

/** What goes to the thread … */
export type ToThread =
  | ({
      readonly kind: "seal";
      readonly id: number;
      readonly folder: string;
      readonly log: string;
    } & {
      readonly job: SealingJob;
    })
  | { readonly kind: "signed"; readonly id: number; readonly note: string }
  | {
      readonly kind: "refused";
      readonly id: number;
      readonly code: CairnErrorCode;
      readonly message: string;
    };

/** … and what comes back. */
export type FromThread =
  | { readonly kind: "sign"; readonly id: number; readonly seal: Seal }
  | { readonly kind: "sealed"; readonly id: number }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly code: CairnErrorCode;
      readonly message: string;
      readonly place: ErrorPlace;
    };

class SealingThread {
  readonly #thread = new WorkerThread<ToThread, FromThread>(
    "the thread that seals segments",
    workerUrl("seal-worker"),
  );

  /** Seals a segment of the log in `folder`. "unavailable" where the thread died. */
  seal(folder: string, log: string, job: SealingJob, sign: SignSeal): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (message: FromThread): boolean => {
        if (message.kind === "sign") {
          void this.#sign(message.id, message.seal, sign);
          return false;
        }
        if (message.kind === "sealed") resolve();
        else reject(new CairnError(message.code, message.message, { place: message.place }));
        return true;
      };
      this.#thread.start((id) => ({ kind: "seal", id, folder, log, job }), { take, lost: reject });
    });
  }

  async #sign(id: number, seal: Seal, sign: SignSeal): Promise<void> {
    try {
      this.#thread.post({ kind: "signed", id, note: await sign(seal) });
    } catch (error) {
      const code = isCairnError(error) ? error.code : "internal";
      const message = error instanceof Error ? error.message : String(error);
      this.#thread.post({ kind: "refused", id, code, message });
    }
  }
}

export const sealingThread = new SealingThread();
