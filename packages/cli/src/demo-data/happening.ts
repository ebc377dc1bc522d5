/** What happens in the story, before it is written down as an event of a source. */
import type { CairnEvent } from "@cairnlog/core";

/** Who sends events to the log: the alias of a source is its name there. */
export const sources = [
  "idp", // The identity provider: sign-ins, MFA, tokens, accounts.
  "gateway", // The API gateway: one event for each call. Numbered, a stream for each node.
  "pgaudit", // PostgreSQL: statements and sessions. Numbered, a stream for each server.
  "gitlab", // Code, reviews, pipelines.
  "argocd", // What runs where.
  "cloud", // Configuration, access policies, secrets, packages.
  "detect", // What the detectors found: endpoints, mail, web application firewall, scanners.
] as const;
export type SourceName = (typeof sources)[number];

/** The four workflows, with their neighbours: the first word of an event's type. */
export const workflows = [
  "identity",
  "api",
  "database",
  "deployment",
  "change",
  "security",
] as const;
export type Workflow = (typeof workflows)[number];

export interface Actor {
  readonly id: string;
  readonly type: "user" | "service" | "customer" | "anonymous";
  readonly name?: string;
  readonly ip?: string;
  readonly session?: string;
  readonly userAgent?: string;
  readonly application?: string;
}

export interface Happening {
  readonly timeMs: number;
  readonly source: SourceName;
  readonly type: `${Workflow}.${string}`;
  readonly actor: Actor;
  readonly action: string;
  readonly targets: NonNullable<CairnEvent["targets"]>;
  readonly outcome: NonNullable<CairnEvent["outcome"]>;
  readonly trace?: string;
  readonly details?: object;
  /** The node or server that counts it; only of numbered sources. */
  readonly stream?: string;
  /** Counted by its source, and lost before it came to the log: it leaves a gap in the numbers and nothing else. */
  readonly isLost?: true;
}
