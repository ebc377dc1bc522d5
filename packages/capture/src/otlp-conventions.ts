/**
 * OpenTelemetry's semantic conventions, as far as they say who did what on what: for each thing that an event's head
 * wants to know the attributes that tell it, in the order of preference. `cairn.*` goes before all, and the names of
 * today before those that they replaced.
 */
import type { Json } from "./foreign-json.ts";
import type { Attributes } from "./otlp-record.ts";

const attributeNames = {
  type: ["cairn.type"],
  action: ["cairn.action"],
  eventName: ["event.name"],
  uid: ["log.record.uid"],
  outcome: ["cairn.outcome", "event.outcome"],
  targetType: ["cairn.target.type"],
  targetId: ["cairn.target.id"],
  user: ["cairn.actor.id", "enduser.id", "user.id", "user.email", "user.name", "enduser.pseudo.id"],
  address: ["client.address", "http.client_ip", "source.address", "net.peer.ip"],
  session: ["session.id"],
  service: ["service.name"],
  hostName: ["host.name"],
  httpMethod: ["http.request.method", "http.method"],
  httpStatus: ["http.response.status_code", "http.status_code"],
  path: ["url.path", "http.target", "url.full", "http.url"],
  route: ["http.route"],
  host: ["server.address", "http.host", "net.host.name"],
  dbSystem: ["db.system.name", "db.system"],
  dbOperation: ["db.operation.name", "db.operation"],
  dbNamespace: ["db.namespace", "db.name"],
  dbCollection: ["db.collection.name", "db.sql.table", "db.mongodb.collection"],
  rpcSystem: ["rpc.system.name", "rpc.system"],
  rpcService: ["rpc.service"],
  rpcMethod: ["rpc.method"],
  rpcStatus: ["rpc.response.status_code", "rpc.grpc.status_code"],
  messagingSystem: ["messaging.system"],
  messagingOperation: [
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.operation",
  ],
  messagingDestination: ["messaging.destination.name", "messaging.destination"],
  error: ["error.type", "exception.type", "exception.message"],
  kubernetesNamespace: ["k8s.namespace.name"],
  deployment: ["k8s.deployment.name"],
  statefulset: ["k8s.statefulset.name"],
  daemonset: ["k8s.daemonset.name"],
  replicaset: ["k8s.replicaset.name"],
  job: ["k8s.job.name"],
  cronjob: ["k8s.cronjob.name"],
  pod: ["k8s.pod.name"],
  node: ["k8s.node.name"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type Slot = keyof typeof attributeNames;

export const kubernetesKinds = [
  ...(["deployment", "statefulset", "daemonset", "replicaset"] as const),
  ...(["job", "cronjob", "pod", "node"] as const),
] as const;

/** What the conventions say for a slot; undefined where no attribute does, or only an empty one. */
export type Find = (slot: Slot) => string | undefined;

interface Place {
  readonly slot: Slot;
  /** The lower, the better. */
  readonly rank: number;
}

const places: ReadonlyMap<string, Place> = new Map(
  (Object.entries(attributeNames) as [Slot, readonly string[]][]).flatMap(([slot, names]) =>
    names.map((name, rank): [string, Place] => [name, { slot, rank }]),
  ),
);

/**
 * Goes once over the attributes: a record has some ten of them, while there are sixty to ask for, which took 2 µs of a
 * record's 10.
 */
export function conventionsOf(attributes: Attributes | undefined): Find {
  const texts: Partial<Record<Slot, string>> = {};
  const ranks: Partial<Record<Slot, number>> = {};
  const take = (key: string, value: Json): void => {
    const place = places.get(key);
    if (place === undefined) return;
    const text = textOf(value);
    if (text === undefined || place.rank >= (ranks[place.slot] ?? Infinity)) return;
    texts[place.slot] = text;
    ranks[place.slot] = place.rank;
  };
  if (Array.isArray(attributes)) {
    const pairs = attributes as readonly { readonly key: string; readonly value: Json }[];
    for (const { key, value } of pairs) take(key, value);
  } else if (attributes !== undefined) {
    const members = attributes as { readonly [key: string]: Json };
    for (const key of Object.keys(members)) take(key, members[key]!);
  }
  return (slot) => texts[slot];
}

function textOf(value: Json): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}
