/**
 * What to put where for the audit webhook of a Kubernetes API server: policy, webhook configuration, flags.
 *
 * `blocking-strict` is the only mode that keeps "no record, no access": it fails a request whose first stage cannot be
 * recorded. It does so at the stage RequestReceived only, so a policy that omits this stage turns it off unseen.
 */
import type { Paste } from "./adapter.ts";

export const auditPolicy = [
  "apiVersion: audit.k8s.io/v1",
  "kind: Policy",
  "# Never RequestReceived: a stage that is omitted cannot stop a request that is not recorded.",
  "omitStages: []",
  "omitManagedFields: true",
  "rules:",
  "  # What may hold secrets: who did what, never the content.",
  "  - level: Metadata",
  "    resources:",
  '      - group: ""',
  "        resources: [secrets, configmaps, serviceaccounts/token]",
  "      - group: authentication.k8s.io",
  "        resources: [tokenreviews]",
  "  # What components say to each other without pause, and what changes nothing.",
  "  - level: None",
  "    users: [system:kube-proxy, system:apiserver]",
  "    verbs: [get, list, watch]",
  "  - level: None",
  '    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", /version]',
  "  - level: None",
  "    resources:",
  "      - group: coordination.k8s.io",
  "        resources: [leases]",
  "  - level: Request",
  "    verbs: [create, update, patch, delete, deletecollection]",
  "  - level: Metadata",
];

export const auditFlags = [
  "--audit-policy-file=/etc/kubernetes/audit/policy.yaml",
  "--audit-webhook-config-file=/etc/kubernetes/audit/cairn.yaml",
  "--audit-webhook-mode=blocking-strict",
  "--audit-webhook-initial-backoff=250ms",
];

export function webhookConfig({ url, secret, source }: Paste): string[] {
  return [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    "  - name: cairn",
    "    cluster:",
    `      server: ${url}`,
    "      # Only where the certificate is of a CA of your own:",
    "      # certificate-authority: /etc/kubernetes/audit/ca.pem",
    "users:",
    `  - name: ${source}`,
    "    user:",
    `      token: ${secret}`,
    "contexts:",
    "  - name: cairn",
    `    context: { cluster: cairn, user: ${source} }`,
    "current-context: cairn",
  ];
}

export function kubernetesInstructions(paste: Paste): string {
  return [
    "On each machine of the control plane:",
    "",
    "1. What is recorded. Save as `/etc/kubernetes/audit/policy.yaml`:",
    "",
    "```yaml",
    ...auditPolicy,
    "```",
    "",
    "2. Where it goes. Save as `/etc/kubernetes/audit/cairn.yaml`, mode 0600:",
    "",
    "```yaml",
    ...webhookConfig(paste),
    "```",
    "",
    "3. Flags of `kube-apiserver` (kubeadm: `/etc/kubernetes/manifests/kube-apiserver.yaml`, where",
    "   `/etc/kubernetes/audit` must be mounted too):",
    "",
    "```",
    ...auditFlags,
    "```",
    "",
    "In the mode `blocking-strict` a request that cannot be recorded is refused; in `batch`, the default, events wait in",
    "memory, and are dropped when there are too many (docs/kubernetes.md).",
  ].join("\n");
}
