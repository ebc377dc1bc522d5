/**
 * in-toto attestations in DSSE envelopes: SLSA provenance and any other predicate. A delivery is one envelope, a bundle
 * of them (one a line), or a Sigstore bundle around one.
 *
 * Two proofs are asked for. The token says who may write to this source; a signature by one of the source's public keys
 * says who attested. An envelope that none of the keys signed is refused; a source without keys takes envelopes only
 * where its owner said so, and then each event says that nothing was verified. Certificates of Sigstore (keyless
 * signing) are not checked here.
 */
import { createHash } from "node:crypto";
import { CairnError, isCairnError, parseDecimal, parseUtf8, type CairnEvent } from "@cairnlog/core";
import { notAuthenticated, requireAnyToken } from "./authentication.ts";
import { withOriginal } from "./captured-event.ts";
import {
  parseEnvelope,
  parsePublicKeys,
  verifiedBy,
  type Envelope,
  type PublicKey,
} from "./dsse.ts";
import { eventFrom, type Outcome, type TargetDraft } from "./event-fields.ts";
import { at, isObject, parseForeignJson, textAt, wellFormed, type Json } from "./foreign-json.ts";
import { firstText, lookUp, type Pointer } from "./pointers.ts";
import type {
  Adapter,
  Captured,
  CapturedEvent,
  Delivery,
  KnownKind,
  SourceSettings,
} from "./adapter.ts";

const statementType = "application/vnd.in-toto+json";
const statements = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];
const linesMax = 1000;

interface Predicate {
  readonly kind: string;
  readonly type: string;
  readonly actor: readonly Pointer[];
  readonly times: readonly Pointer[];
  /** Where the result is; without it, what was attested was attested. */
  readonly outcome?: Pointer;
}

const slsaV02: Omit<Predicate, "kind"> = {
  type: "deployment.provenance",
  actor: ["/predicate/builder/id"],
  times: ["/predicate/metadata/buildFinishedOn", "/predicate/metadata/buildStartedOn"],
};

/** By `/predicateType`. */
const predicates: Readonly<Record<string, Predicate>> = {
  "https://slsa.dev/provenance/v1": {
    kind: "slsa-provenance-v1",
    type: "deployment.provenance",
    actor: ["/predicate/runDetails/builder/id"],
    times: [
      "/predicate/runDetails/metadata/finishedOn",
      "/predicate/runDetails/metadata/startedOn",
    ],
  },
  "https://slsa.dev/provenance/v0.2": { kind: "slsa-provenance-v0.2", ...slsaV02 },
  "https://slsa.dev/provenance/v0.1": { kind: "slsa-provenance-v0.1", ...slsaV02 },
  "https://slsa.dev/verification_summary/v1": {
    kind: "slsa-verification-summary-v1",
    type: "deployment.verification_summary",
    actor: ["/predicate/verifier/id"],
    times: ["/predicate/timeVerified"],
    outcome: "/predicate/verificationResult",
  },
  "https://in-toto.io/attestation/test-result/v0.1": {
    kind: "test-result-v0.1",
    type: "deployment.test_result",
    actor: [],
    times: [],
    outcome: "/predicate/result",
  },
  "https://in-toto.io/attestation/vulns/v0.2": {
    kind: "vulns-v0.2",
    type: "security.vulnerability_scan",
    actor: ["/predicate/scanner/uri"],
    times: ["/predicate/metadata/scanFinishedOn", "/predicate/metadata/scanStartedOn"],
  },
  "https://spdx.dev/Document": {
    kind: "spdx",
    type: "deployment.sbom",
    actor: [],
    times: ["/predicate/creationInfo/created"],
  },
  "https://cyclonedx.org/bom": {
    kind: "cyclonedx",
    type: "deployment.sbom",
    actor: [],
    times: ["/predicate/metadata/timestamp"],
  },
};
const attestation: Omit<Predicate, "kind"> = {
  type: "deployment.attestation",
  actor: ["/predicate/builder/id", "/predicate/verifier/id"],
  times: [],
};

function findPredicate(predicateType: string | undefined): Predicate | undefined {
  // Bills of materials have the version of their format behind the name: the name is enough.
  const name = predicateType?.replace(/\/v[0-9.]{1,16}$/, "");
  return lookUp(predicates, predicateType) ?? lookUp(predicates, name);
}

const results: Readonly<Record<string, Outcome>> = {
  PASSED: "success",
  WARNED: "success",
  FAILED: "failure",
};

export const intotoAdapter: Adapter = {
  kind: "intoto",
  title: "in-toto and SLSA attestations",
  basis:
    "in-toto attestation 1.2.0 (statements v1 and v0.1), SLSA provenance v1 and v0.2, DSSE 1.0.2",
  known: Object.entries(predicates).map(([predicateType, row]): KnownKind => ({
    kind: row.kind,
    type: row.type,
    actor: row.actor[0] ?? "the fingerprint of the key that signed",
    action: `/predicateType: ${predicateType}`,
    targets: "/subject: name and digest",
    outcome: row.outcome ?? "success",
  })),
  setup: {
    questions: [
      {
        name: "publicKeys",
        text: "Public keys that sign the attestations, as PEM blocks one after another",
        default: "",
      },
      {
        name: "threshold",
        text: "How many different keys must have signed an envelope",
        default: "1",
        pattern: /^[1-9]$/,
      },
      {
        name: "unverified",
        text: "Without public keys: record envelopes that nobody verified? (yes or no)",
        default: "no",
        pattern: /^(?:yes|no)$/,
      },
    ],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "At the end of the pipeline that signs, send what it signed:",
        "",
        "```sh",
        `curl --fail --retry 5 ${url} -H "Authorization: Bearer ${secret}" \\`,
        '  -H "Content-Type: application/vnd.in-toto.bundle" --data-binary @provenance.intoto.jsonl',
        "```",
        "",
        "One DSSE envelope, several (one a line), or a Sigstore bundle. An envelope that none of the source's",
        "public keys signed is refused with 401, and with it the whole delivery.",
      ].join("\n"),
  },
  authenticate(delivery, source) {
    requireAnyToken(delivery.headers, source);
    const keys = keysOf(source);
    if (keys.length === 0 && source.options["unverified"] === "yes") return;
    const threshold = parseDecimal(source.options["threshold"] ?? "1", "threshold");
    for (const { envelope } of envelopesOf(delivery.body)) {
      if (verifiedBy(envelope, keys).length < Math.max(threshold, 1)) throw notAuthenticated();
    }
  },
  capture,
};

/** A key that cannot be used is as good as none: then nothing verifies, and nothing is let in. */
function keysOf({ options }: SourceSettings): readonly PublicKey[] {
  try {
    return parsePublicKeys(options["publicKeys"] ?? "");
  } catch (error) {
    if (isCairnError(error, "usage")) throw notAuthenticated();
    throw error;
  }
}

interface Line {
  /** The envelope as it was sent, byte for byte. */
  readonly bytes: Uint8Array;
  readonly envelope: Envelope;
}

/** One JSON value over several lines, or one a line. "malformed", "too_large" */
function envelopesOf(body: Uint8Array): readonly Line[] {
  const whole = findJson(body);
  if (whole !== undefined) return [{ bytes: body, envelope: envelopeIn(whole) }];
  const lines = splitLines(body);
  if (lines.length > linesMax) {
    throw new CairnError("too_large", `a bundle has at most ${linesMax} envelopes; split it`);
  }
  if (lines.length === 0) throw new CairnError("malformed", "the bundle has no envelope");
  return lines.map((bytes, i) => ({
    bytes,
    envelope: envelopeIn(parseForeignJson(bytes, `line ${i + 1}`).value),
  }));
}

function findJson(body: Uint8Array): Json | undefined {
  try {
    return parseForeignJson(body).value;
  } catch (error) {
    // A bundle of several lines is no JSON as a whole.
    if (isCairnError(error, "malformed") && body.includes(0x0a)) return undefined;
    throw error;
  }
}

function splitLines(body: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < body.length;) {
    const end = body.indexOf(0x0a, start);
    const line = body.subarray(start, end < 0 ? body.length : end);
    if (line.some((byte) => byte > 0x20)) lines.push(line);
    start += line.length + 1;
  }
  return lines;
}

/** The envelope, or the one inside a Sigstore bundle. */
function envelopeIn(value: Json): Envelope {
  return parseEnvelope(at(value, "dsseEnvelope") ?? value);
}

function capture(delivery: Delivery, source: SourceSettings): Captured {
  const keys = keysOf(source);
  const { headers } = delivery;
  const events = envelopesOf(delivery.body).map((line): CapturedEvent => {
    const event = eventOf(line, verifiedBy(line.envelope, keys));
    // Nothing else: the signature is in it, and the same envelope sent again must be the same event.
    return withOriginal({ event }, { body: line.bytes, headers }, []);
  });
  return { events };
}

function eventOf({ bytes, envelope }: Line, signers: readonly PublicKey[]): CairnEvent {
  const statement = statementOf(envelope);
  const predicateType = textAt(statement, "predicateType");
  const row = findPredicate(predicateType) ?? attestation;
  const builder = firstText(statement, row.actor);
  return eventFrom({
    id: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    type: row.type,
    time: firstText(statement, row.times),
    actor: {
      id: builder ?? signers[0]?.fingerprint,
      type: builder === undefined ? "key" : "system",
    },
    action: predicateType ?? envelope.payloadType,
    targets: targetsOf(statement),
    outcome:
      row.outcome === undefined
        ? "success"
        : lookUp(results, firstText(statement, [row.outcome])?.toUpperCase()),
    details: {
      verified: signers.length > 0,
      verifiedBy: signers.map(({ fingerprint }) => fingerprint),
      keyids: envelope.signatures.map(({ keyid }) => keyid),
      payloadType: wellFormed(envelope.payloadType),
      statement,
    },
  });
}

/** The payload: a statement, or whatever else was signed, as text where it is some. */
function statementOf({ payloadType, payload }: Envelope): Json {
  if (payloadType === statementType) {
    const { value } = parseForeignJson(payload, "the payload");
    const isStatement = isObject(value) && statements.includes(textAt(value, "_type") ?? "");
    if (!isStatement) throw new CairnError("malformed", "the payload is no in-toto statement");
    return value;
  }
  try {
    return wellFormed(parseUtf8(payload));
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
    // Its bytes are in the envelope, which is kept.
    return null;
  }
}

function targetsOf(statement: Json): TargetDraft[] {
  const subjects = at(statement, "subject");
  const sources =
    at(statement, "predicate", "buildDefinition", "resolvedDependencies") ??
    at(statement, "predicate", "materials");
  return [
    ...listOf(subjects).map((subject) => ({
      type: "artifact",
      id: textAt(subject, "name") ?? textAt(subject, "uri") ?? textAt(subject, "digest", "sha256"),
      sha256: textAt(subject, "digest", "sha256"),
    })),
    ...listOf(sources).map((dependency) => ({
      type: "source",
      id: textAt(dependency, "uri"),
      commit: textAt(dependency, "digest", "gitCommit") ?? textAt(dependency, "digest", "sha1"),
      sha256: textAt(dependency, "digest", "sha256"),
    })),
  ];
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
