/**
 * JSON that people and programs carry around (receipts): the same text may come with white space between tokens, and
 * with characters outside ASCII written as escapes, as a server does that wants to know its answer's length at once.
 * Brought to one spelling here, to be compared with what would be written.
 */
import { parseHex } from "./encoding.ts";

/** `text` without white space between tokens, and with characters from U+0080 on as themselves. */
export function plainJsonText(text: string): string {
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\r\n]+/g, (token) =>
    token.startsWith('"') ? unescaped(token) : "",
  );
}

function unescaped(token: string): string {
  return token.replace(/\\(?:u[0-9a-f]{4}|.)/g, (escape) => {
    if (escape.length < 6) return escape;
    const [high, low] = parseHex(escape.slice(2));
    const unit = high! * 256 + low!;
    return unit < 0x80 ? escape : String.fromCharCode(unit);
  });
}
