/**
 * The shapes of requests and answers: Fastify checks parameters with them, and `/openapi.json` is
 * made from them. Numbers in paths and queries stay text here, in their only spelling;
 * `parseDecimal` reads them.
 */
import { errorTable } from "@cairnlog/core";
import { Type, type Static } from "typebox";

const logName = Type.String({
  pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
  description: "The log's name.",
});
const decimal = (description: string) =>
  Type.String({ pattern: "^(0|[1-9][0-9]{0,15})$", description });
const hash = Type.String({ description: "SHA-256, standard base64.", examples: ["47DE…U="] });
const note = Type.String({ description: "A signed note (C2SP tlog-checkpoint), verbatim." });
const seq = Type.Integer({ minimum: 0, description: "The entry's place in the log." });
const strict = { additionalProperties: false };

export const LogParams = Type.Object({ log: logName });
export const EventParams = Type.Object({ log: logName, seq: decimal("Sequence number.") });
export const BlobParams = Type.Object({
  log: logName,
  sha256: Type.String({
    pattern: "^[0-9a-f]{64}$",
    description: "SHA-256 of the blob, lower-case hex.",
  }),
});
export type BlobParams = Static<typeof BlobParams>;
export const TileParams = Type.Object({
  log: logName,
  level: Type.String({ pattern: "^(0|[1-9][0-9]?)$", description: "Level of the tile, 0 to 63." }),
  "*": Type.String({ description: "`<N>` or `<N>.p/<W>`, as in C2SP tlog-tiles." }),
});
export const EntriesParams = Type.Object({
  log: logName,
  "*": Type.String({ description: "`<N>` or `<N>.p/<W>`, as in C2SP tlog-tiles." }),
});
export const ErrorParams = Type.Object({ code: Type.String() });

export const RecordQuery = Type.Object(
  {
    receipt: Type.Optional(
      Type.Union([Type.Literal("full"), Type.Literal("short")], {
        description: "How much comes back. Default: full for one object, short for a batch.",
      }),
    ),
  },
  strict,
);

const time = (description: string) =>
  Type.String({
    description: `${description} RFC 3339 in UTC.`,
    examples: ["2026-11-23T05:00:00Z"],
  });

export const RangeQuery = Type.Object(
  {
    from: Type.Optional(decimal("First seq.")),
    to: Type.Optional(decimal("The seq to stop before.")),
    since: Type.Optional(time("Entries committed at or after this time.")),
    until: Type.Optional(time("Entries committed before this time.")),
    limit: Type.Optional(decimal("At most so many entries; default and maximum 10,000.")),
    wait: Type.Optional(decimal("Seconds to wait for the first entry, at most 60.")),
  },
  strict,
);
export type RangeQuery = Static<typeof RangeQuery>;

/** More sizes than that are several requests. */
export const consistencySizesMax = 500;

const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
    minItems: 1,
    maxItems: 256,
    description,
  });

export const EvidenceBody = Type.Object(
  {
    seqs: Type.Optional(
      Type.Array(Type.String({ pattern: "^[0-9]{1,16}(-[0-9]{1,16})?$" }), {
        minItems: 1,
        maxItems: 10_000,
        description: "Entries, and ranges of them with both ends.",
        examples: [["5-10", "12"]],
      }),
    ),
    types: Type.Optional(names("Types; `database.*` is all of a workflow.")),
    actors: Type.Optional(names("Ids of actors.")),
    since: Type.Optional(time("Entries committed at or after this time.")),
    until: Type.Optional(time("Entries committed before this time.")),
    why: Type.String({ minLength: 1, maxLength: 8192, description: "The case, or the question." }),
  },
  strict,
);
export type EvidenceBody = Static<typeof EvidenceBody>;

export const ConsistencyQuery = Type.Object(
  {
    from: Type.String({
      pattern: "^(0|[1-9][0-9]{0,15})(,(0|[1-9][0-9]{0,15}))*$",
      description: `The smaller tree size, at least 1; or up to ${consistencySizesMax} of them, ascending, with commas.`,
    }),
    to: Type.Optional(decimal("The larger tree size; default: the durable size.")),
  },
  strict,
);

const which = (description: string) =>
  Type.Optional(Type.Union([Type.Literal("durable"), Type.Literal("published")], { description }));

export const CheckpointQuery = Type.Object(
  { kind: which("Which one: the newest durable one, or the published one. Default: durable.") },
  strict,
);

export const ProofQuery = Type.Object(
  {
    checkpoint: which("Under which checkpoint. Default: the newest durable one."),
    wait: Type.Optional(
      decimal("Seconds to wait until the entry is under the published checkpoint, at most 60."),
    ),
  },
  strict,
);

export const NewLogBody = Type.Object(
  {
    name: logName,
    origin: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: "The log's name to the world." }),
    ),
    public: Type.Optional(
      Type.Boolean({ description: "Whether everybody may read the log's tiles. Default: false." }),
    ),
  },
  strict,
);

export const LogDescription = Type.Object(
  {
    name: logName,
    origin: Type.String(),
    vkeys: Type.Array(Type.String(), { description: "Verifier keys: Ed25519, then ML-DSA-44." }),
    public: Type.Boolean(),
    size: Type.Integer({ description: "Entries that are durable." }),
    sealedSize: Type.Integer({ description: "Entries that are in sealed segments." }),
    publishedSize: Type.Integer({ description: "Size of the published checkpoint." }),
  },
  { $id: "LogDescription" },
);
const witnessHealth = Type.Object({
  name: Type.String({ description: "As the policy calls it." }),
  url: Type.String(),
  state: Type.Union([
    Type.Literal("unknown"),
    Type.Literal("cosigning"),
    Type.Literal("failing"),
    Type.Literal("conflict"),
  ]),
  size: Type.Optional(Type.Integer({ description: "What it cosigned last." })),
  timestamp: Type.Optional(
    Type.Integer({ description: "When, by its own clock, in seconds since 1970." }),
  ),
  error: Type.Optional(Type.String({ description: "Why its last answer was no cosignature." })),
});
export const WitnessList = Type.Object({
  publishedSize: Type.Integer({ description: "Size of the published checkpoint." }),
  quorumFailure: Type.Optional(
    Type.String({ description: "Why the last round of witnesses brought no quorum." }),
  ),
  alarms: Type.Array(Type.String(), { description: "What somebody must look at." }),
  witnesses: Type.Array(witnessHealth, { description: "In the order of the policy." }),
});
export const LogList = Type.Object({ logs: Type.Array(Type.Ref("LogDescription#")) });

const NamedBlob = Type.Object({
  sha256: Type.String({ description: "Lower-case hex." }),
  byteLength: Type.Integer({ minimum: 0 }),
  mediaType: Type.Optional(Type.String({ examples: ["application/json"] })),
  role: Type.Optional(Type.String({ description: "What it is to the event." })),
});

export const Event = Type.Object(
  {
    id: Type.Optional(Type.String({ description: "Unique per source: the idempotency key." })),
    type: Type.String({ examples: ["database.query"] }),
    time: Type.Optional(Type.String({ description: "When it happened, RFC 3339." })),
    actor: Type.Object({ id: Type.String() }, { additionalProperties: true }),
    action: Type.String(),
    targets: Type.Optional(Type.Array(Type.Object({ type: Type.String(), id: Type.String() }))),
    outcome: Type.Optional(
      Type.Union(["success", "failure", "denied", "unknown"].map((each) => Type.Literal(each))),
    ),
    trace: Type.Optional(Type.String({ description: "W3C traceparent." })),
    details: Type.Optional(Type.Unknown()),
    blobs: Type.Optional(
      Type.Array(NamedBlob, { description: "Larger things: each is put before the event." }),
    ),
  },
  { $id: "Event", additionalProperties: true },
);

export const Problem = Type.Object(
  {
    type: Type.String({ examples: ["/errors/invalid"] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Union(Object.keys(errorTable).map((code) => Type.Literal(code))),
    log: Type.Optional(Type.String()),
    seq: Type.Optional(Type.Integer()),
    path: Type.Optional(Type.String()),
    byte: Type.Optional(Type.Integer()),
    pointer: Type.Optional(Type.String({ description: "JSON pointer (RFC 6901)." })),
  },
  { $id: "Problem", description: "RFC 9457. The page at `type` says what to do." },
);

const duplicate = Type.Optional(
  Type.Literal(true, { description: "The same event had been recorded before." }),
);
const proof = Type.Array(hash, { description: "Inclusion proof, nearest sibling first." });

export const Receipt = Type.Object(
  {
    origin: Type.String(),
    seq,
    leafHash: hash,
    duplicate,
    proof: Type.Optional(proof),
    checkpoint: note,
  },
  { $id: "Receipt" },
);
export const StoredReceipt = Type.Object(
  {
    origin: Type.String(),
    seq,
    leafHash: hash,
    proof,
    checkpoint: note,
    entry: Type.String({ description: "The entry's text: its leaf hash is `leafHash`." }),
  },
  { $id: "StoredReceipt" },
);
export const BatchReceipt = Type.Object(
  {
    recorded: Type.Integer(),
    refused: Type.Integer(),
    checkpoint: Type.Optional(note),
    results: Type.Array(
      Type.Union([
        Type.Object({ seq, leafHash: hash, duplicate, proof: Type.Optional(proof) }),
        Type.Object({ error: Type.Ref("Problem#") }),
      ]),
    ),
  },
  { $id: "BatchReceipt" },
);
const consistency = Type.Array(hash, { description: "RFC 6962 section 2.1.2." });
export const ConsistencyAnswer = Type.Object({
  from: Type.Optional(Type.Integer()),
  to: Type.Integer(),
  proof: Type.Optional(consistency),
  proofs: Type.Optional(
    Type.Array(Type.Object({ from: Type.Integer(), proof: consistency }), {
      description: "Where several sizes were named: one for each, in their order.",
    }),
  ),
});

export const sharedSchemas = [Event, Problem, Receipt, StoredReceipt, BatchReceipt, LogDescription];

/** Every route may answer with a problem. */
export const problemResponse = {
  description: "What went wrong",
  content: { "application/problem+json": { schema: Type.Ref("Problem#") } },
};

/** An answer that is not made from a schema: what it is. */
export function answerOf(description: string, ...types: readonly string[]): object {
  const schema = Type.String();
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}
