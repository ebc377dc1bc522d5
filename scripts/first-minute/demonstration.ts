/**
 * The two lines that `npm start` prints to be tried: an event with its proof, and a changed byte
 * that is found.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One line for a POSIX shell that appends an event and shows its proof. */
export function curlLine(url: string, key: string): string {
  const event =
    '{"type":"api.call","actor":{"id":"you@example.com"},"action":"hello","outcome":"success"}';
  return (
    `curl -s '${url}/v1/logs/main/events' -H 'Authorization: Bearer ${key}' ` +
    `-H 'Content-Type: application/json' -d '${event}'; echo`
  );
}

/**
 * One line for a POSIX shell that copies the log, changes one byte in the copy and verifies it.
 * `data` is the data folder as the reader of the line sees it. Undefined where the log has no
 * entries to change.
 */
export function tamperLine(folder: string, data: string): string | undefined {
  const place = findByte(folder);
  if (place === undefined) return undefined;
  const { path, byte } = place;
  const file = `"$d/main/${path}"`;
  return (
    `d=$(mktemp -d) && cp -R ${quoted(`${data}/main`)} "$d" && chmod u+w ${file} && ` +
    `printf X | dd of=${file} bs=1 seek=${byte} conv=notrunc 2>/dev/null; npx cairn verify "$d/main"`
  );
}

/** A byte in the middle of some entry's event. */
function findByte(folder: string): { readonly path: string; readonly byte: number } | undefined {
  for (const kind of ["sealed", "tail"]) {
    const [name] = existsSync(join(folder, kind)) ? readdirSync(join(folder, kind)).sort() : [];
    if (name === undefined) continue;
    const path = `${kind}/${name}`;
    const bytes = readFileSync(join(folder, path));
    // In a sealed file the entries are compressed: any byte near the beginning is part of them.
    if (kind === "sealed") return { path, byte: differs(bytes, 5000) };
    const end = bytes.indexOf(Buffer.from([0, 0, 0, 0]));
    const used = end < 0 ? bytes.length : end;
    if (used > 0) return { path, byte: differs(bytes, Math.floor(used / 2)) };
  }
  return undefined;
}

/** The first offset from `from` on that does not hold an X already. */
function differs(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x58) at++;
  return at;
}

function quoted(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
