/**
 * The `log_format` that nginx is given, and the line of it that comes out. One format, so that the adapter, the docs
 * and the test with a real nginx speak of the same fields.
 *
 * What is left out on purpose: the query string and all headers but two, because they hold what nobody wants in a log
 * for ever. `map` cuts the query off the address as it was sent: `$uri` would be what nginx rewrote it to.
 */
import { parseForeignJson, type ForeignJson } from "./foreign-json.ts";

/** By the field's name in the line. In quotes where nginx may print something that is no JSON number (`000`, `-`). */
const fields: Readonly<Record<string, string>> = {
  id: '"$request_id"',
  time: "$msec",
  remote_addr: '"$remote_addr"',
  remote_user: '"$remote_user"',
  client_verify: '"$ssl_client_verify"',
  client_dn: '"$ssl_client_s_dn"',
  method: '"$request_method"',
  host: '"$host"',
  path: '"$cairn_path"',
  protocol: '"$server_protocol"',
  status: '"$status"',
  completion: '"$request_completion"',
  duration: '"$request_time"',
  bytes_received: '"$request_length"',
  bytes_sent: '"$bytes_sent"',
  upstream: '"$upstream_addr"',
  upstream_status: '"$upstream_status"',
  user_agent: '"$http_user_agent"',
  traceparent: '"$http_traceparent"',
};

/** For the `http` block. */
export const nginxLogFormat: string = [
  'map $request_uri $cairn_path { "~^(?<cairn_address>[^?]*)" $cairn_address; }',
  "log_format cairn escape=json",
  ...Object.entries(fields).map(
    ([name, value], i) => `  '${i === 0 ? "{" : ","}"${name}":${value}'`,
  ),
  "  '}';",
].join("\n");

export interface NginxLine {
  readonly bytes: Uint8Array;
  readonly read: ForeignJson;
}

const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A line of the format. `escape=json` escapes quotes and control characters and leaves every other byte as the client
 * sent it, so a line need not be UTF-8: what is none becomes U+FFFD, or a client could keep its request out of the log.
 */
export function parseNginxLine(bytes: Uint8Array, number: number): NginxLine {
  const text = lenient.decode(bytes);
  const repaired = new TextEncoder().encode(text);
  const isSame = Buffer.compare(repaired, bytes) === 0;
  const read = parseForeignJson(repaired, `line ${number}`);
  return { bytes, read: isSame ? read : { ...read, isAltered: true } };
}

/** The lines of a body that hold something, with their numbers. */
export function nginxLines(body: Uint8Array): { bytes: Uint8Array; number: number }[] {
  const lines: { bytes: Uint8Array; number: number }[] = [];
  for (let start = 0, number = 1; start < body.length; number++) {
    const end = body.indexOf(0x0a, start);
    const bytes = body.subarray(start, end < 0 ? body.length : end);
    if (bytes.some((byte) => byte > 0x20)) lines.push({ bytes, number });
    start += bytes.length + 1;
  }
  return lines;
}
