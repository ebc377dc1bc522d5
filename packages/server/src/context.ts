/** What the routes share. Made once by `createServer`. */
import type { Access } from "./access.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { Companion } from "./companion.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { ProblemAnswers } from "./problem-answer.ts";
import type { RefusalNotes } from "./refusal-notes.ts";
import type { LogRegistry } from "./registry.ts";
import type { Quotas } from "./sources/quotas.ts";

export interface ServerContext {
  readonly logs: LogRegistry;
  readonly access: Access;
  readonly limits: Limits;
  readonly budget: BodyBudget;
  readonly metrics: Metrics;
  readonly problems: ProblemAnswers;
  /** Tells logs of what was refused. */
  readonly refusals: RefusalNotes;
  /** Of API keys. */
  readonly quotas: Quotas;
  /** Aborted when the server begins to stop: whoever waits for something to happen is let go. */
  readonly stopping: AbortSignal;
  /** False until all logs are open. */
  readonly isReady: () => boolean;
  readonly companions: readonly Companion[];
}
