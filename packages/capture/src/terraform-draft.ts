/** What one record of Terraform comes to, before the run that it belongs to is put around it. */
import type { EventDraft, TargetDraft } from "./event-fields.ts";

export interface TerraformDraft extends Pick<EventDraft, "type" | "time" | "action" | "outcome"> {
  readonly targets: readonly TargetDraft[];
  readonly details: Readonly<Record<string, unknown>>;
}
