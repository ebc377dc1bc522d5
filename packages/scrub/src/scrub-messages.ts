/** What the scrubbing thread and the thread of the logs say to one another. */
import type { CairnErrorCode, ErrorPlace } from "@cairnlog/core";
import type { Found, PassReport } from "./log-watch.ts";

/** How fast, and how often. */
export interface ScrubPace {
  /** At most so many bytes are re-read in a second, of all logs together. */
  readonly bytesPerSecond: number;
  /** So often all files are looked at. */
  readonly lookMs: number;
  /** A pass over small logs begins no sooner than this after the one before. */
  readonly passMs: number;
}

/** A question to a log: the methods of `RestingLog`. */
export type Question =
  | { readonly ask: "atRest" }
  | { readonly ask: "tile"; readonly level: number; readonly index: number; readonly width: number }
  | { readonly ask: "leafHashes"; readonly from: number; readonly to: number }
  | { readonly ask: "root"; readonly size: number };

export type ToScrubThread =
  | { readonly kind: "pace"; readonly pace: ScrubPace }
  | {
      readonly kind: "watch";
      readonly id: number;
      readonly location: string;
      readonly name: string;
      readonly origin: string;
      readonly vkeys: readonly string[];
      readonly settingsSha256: string | undefined;
    }
  | { readonly kind: "unwatch"; readonly id: number }
  | { readonly kind: "answer"; readonly question: number; readonly value: unknown }
  | {
      readonly kind: "refusal";
      readonly question: number;
      readonly code: CairnErrorCode;
      readonly message: string;
      readonly place: ErrorPlace;
    };

export type FromScrubThread =
  | {
      readonly kind: "question";
      readonly id: number;
      readonly question: number;
      readonly what: Question;
    }
  | { readonly kind: "watching"; readonly id: number }
  | { readonly kind: "unwatched"; readonly id: number }
  | { readonly kind: "damaged"; readonly id: number; readonly found: Found }
  | { readonly kind: "mended"; readonly id: number; readonly path: string; readonly atMs: number }
  | {
      readonly kind: "passed";
      readonly id: number;
      readonly pass: PassReport;
      readonly isDirect: boolean | undefined;
    };
