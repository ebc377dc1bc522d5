/**
 * All adapters, in the order in which `cairn sources kinds` and the docs show them. A new one is one line here, a file
 * of its own, and a folder of fixtures named after its kind.
 */
import type { Adapter } from "./adapter.ts";
import { cloudeventsAdapter } from "./cloudevents.ts";
import { jsonAdapter } from "./json.ts";
import { ocsfAdapter } from "./ocsf.ts";
import { otlpAdapter } from "./otlp.ts";
import { splunkHecAdapter } from "./splunk-hec.ts";
import { standardWebhooksAdapter } from "./standard-webhooks.ts";
import { syslogAdapter } from "./syslog.ts";
import { journaldAdapter } from "./journald.ts";
import { kubernetesAdapter } from "./kubernetes.ts";
import { nginxAdapter } from "./nginx.ts";
import { opaAdapter } from "./opa.ts";
import { pipelineAdapter } from "./pipeline.ts";
import { terraformAdapter } from "./terraform.ts";
import { githubAdapter } from "./github.ts";
import { gitlabAdapter } from "./gitlab.ts";
import { oktaAdapter } from "./okta.ts";
import { auth0Adapter } from "./auth0.ts";
import { argocdAdapter } from "./argocd.ts";
import { cdeventsAdapter } from "./cdevents.ts";
import { intotoAdapter } from "./intoto.ts";
import { pgauditAdapter } from "./pgaudit.ts";
import { keycloakAdapter } from "./keycloak.ts";

export const adapters: readonly Adapter[] = [
  otlpAdapter,
  cloudeventsAdapter,
  standardWebhooksAdapter,
  ocsfAdapter,
  jsonAdapter,
  githubAdapter,
  gitlabAdapter,
  oktaAdapter,
  auth0Adapter,
  argocdAdapter,
  cdeventsAdapter,
  intotoAdapter,
  pgauditAdapter,
  syslogAdapter,
  journaldAdapter,
  kubernetesAdapter,
  opaAdapter,
  nginxAdapter,
  terraformAdapter,
  pipelineAdapter,
  splunkHecAdapter,
  keycloakAdapter,
];

export function findAdapter(kind: string): Adapter | undefined {
  return adapters.find((adapter) => adapter.kind === kind);
}
