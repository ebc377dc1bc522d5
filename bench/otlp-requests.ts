/**
 * The benchmarks' events as an OpenTelemetry SDK would send them, and the same as NDJSON of what comes of them: what
 * the load generator sends to a source of kind `otlp`, and to its baseline.
 *
 * Each request is made once and changed a little each time it is sent, so that none is recognised as sent before: in a
 * body of OTLP the first record's trace id, of which the ids of all its records are made; in NDJSON all ids.
 */
import { findAdapter } from "@cairnlog/capture";
import { SeededRandom } from "../testing/src/seeded.ts";
import type { EventPool } from "./events.ts";

export type OtlpFormat = "otlp" | "otlp-as-ndjson";

export interface PreparedBody {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Makes it another one, in place: `bytes` of `offset` on are the body, wherever it was copied to. */
  refresh(bytes: Uint8Array, offset: number): void;
}

interface PoolEvent {
  readonly type: string;
  readonly time: string;
  readonly actor: { readonly id: string; readonly ip: string; readonly session?: string };
  readonly action: string;
  readonly targets: readonly [{ readonly type: string; readonly id: string }];
  readonly outcome: string;
  readonly trace?: string;
}

/** One for the whole process: what was sent in one round must not come again in the next. */
const random = new SeededRandom(4318);
const idAt = `{"id":"`.length;
const idLength = 24;
const base64url = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

export function otlpBody(
  pool: EventPool,
  from: number,
  count: number,
  format: OtlpFormat,
): PreparedBody {
  const { bytes, traceIdAt } = exportRequest(pool, from, count);
  if (format === "otlp") {
    return {
      ...{ bytes, contentType: "application/x-protobuf" },
      refresh: (into, offset) => into.set(random.bytes(16), offset + traceIdAt),
    };
  }
  const delivery = {
    ...{ method: "POST", path: "", query: new URLSearchParams(), body: bytes },
    headers: { "content-type": "application/x-protobuf" },
  };
  const { ndjson } = findAdapter("otlp")!.capture(delivery, {
    name: "otel",
    secrets: [],
    options: {},
  });
  return {
    ...{ bytes: ndjson!, contentType: "application/x-ndjson" },
    refresh(into, offset) {
      const id = Buffer.from(random.bytes(idLength).map((byte) => base64url[byte % 64]!));
      for (let at = offset; at < into.length; at = into.indexOf(0x0a, at) + 1) {
        into.set(id, at + idAt);
      }
    },
  };
}

function exportRequest(
  pool: EventPool,
  from: number,
  count: number,
): { bytes: Uint8Array; traceIdAt: number } {
  const marker = random.bytes(16);
  const records = Array.from({ length: count }, (_, i) => {
    const event = JSON.parse(Buffer.from(pool.event(from + i)).toString()) as PoolEvent;
    return field(2, logRecord(event, i === 0 ? marker : undefined));
  });
  const scope = field(1, Buffer.concat([text(1, "audit"), text(2, "1.0.0")]));
  const resource = field(
    1,
    attributes({
      "service.name": "orders",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.name": "opentelemetry",
      "telemetry.sdk.version": "3.1.1",
    }),
  );
  const scopeLogs = field(2, Buffer.concat([scope, ...records]));
  const bytes = field(1, Buffer.concat([resource, scopeLogs]));
  return { bytes, traceIdAt: bytes.indexOf(marker) };
}

function logRecord(event: PoolEvent, traceId: Uint8Array | undefined): Buffer {
  const { actor, action, outcome, trace, type, time } = event;
  const [target] = event.targets;
  const isHttp = target.type === "http";
  const nanoseconds = BigInt(Date.parse(time)) * 1_000_000n;
  const severity = outcome === "success" ? 9 : 17;
  const traceIds = trace?.split("-").slice(1, 3) ?? [];
  return Buffer.concat([
    fixed64(1, nanoseconds),
    Buffer.from([2 * 8, severity]),
    text(3, severity === 9 ? "INFO" : "ERROR"),
    field(5, text(1, `${action} ${target.id}`)),
    attributes(
      {
        "enduser.id": actor.id,
        "client.address": actor.ip,
        ...(actor.session === undefined ? {} : { "session.id": actor.session }),
        ...(isHttp
          ? { "http.request.method": action, "url.path": target.id }
          : { "db.system.name": target.type, "db.namespace": target.id }),
        "event.outcome": outcome,
      },
      6,
    ),
    field(9, traceId ?? Buffer.from(traceIds[0] ?? "", "hex")),
    field(10, Buffer.from(traceIds[1] ?? "", "hex")),
    fixed64(11, nanoseconds + 1000n),
    text(12, type),
  ]);
}

function attributes(values: Readonly<Record<string, string>>, number = 1): Buffer {
  const pairs = Object.entries(values).map(([key, value]) =>
    field(number, Buffer.concat([text(1, key), field(2, text(1, value))])),
  );
  return Buffer.concat(pairs);
}

/** A field of bytes; nothing where it is empty, as protobuf leaves it out. */
function field(number: number, bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length, rest]), bytes]);
}

function text(number: number, value: string): Buffer {
  return field(number, Buffer.from(value));
}

function fixed64(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = number * 8 + 1;
  bytes.writeBigUInt64LE(value, 1);
  return bytes;
}
