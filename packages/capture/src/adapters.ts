/**
 * All adapters, in the order in which `cairn sources kinds` and the docs show them. A new one is one line here, a file
 * of its own, and a folder of fixtures named after its kind.
 */
import type { Adapter } from "./adapter.ts";
import { cloudeventsAdapter } from "./cloudevents.ts";
import { jsonAdapter } from "./json.ts";
import { ocsfAdapter } from "./ocsf.ts";
import { otlpAdapter } from "./otlp.ts";
import { standardWebhooksAdapter } from "./standard-webhooks.ts";

export const adapters: readonly Adapter[] = [
  otlpAdapter,
  cloudeventsAdapter,
  standardWebhooksAdapter,
  ocsfAdapter,
  jsonAdapter,
];

export function findAdapter(kind: string): Adapter | undefined {
  return adapters.find((adapter) => adapter.kind === kind);
}
