/**
 * Text from events and servers on its way to a terminal. What an event holds is hostile: an escape
 * sequence could repaint the screen, a bidirectional override could show `alice` as somebody else.
 * So everything that does not print itself is shown as an escape. JSON output needs none of this:
 * `JSON.stringify` escapes controls, and `asciiJson` the rest.
 */

// Controls (C0, DEL, C1), soft hyphen, marks and overrides of direction, zero-width characters,
// separators of lines and paragraphs, invisible operators, variation tags, byte order mark, private
// use and what is no character at all.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/**
 * The text on one line, with everything invisible shown as `\xNN` or `\u{N}`. A backslash stays as
 * it is.
 */
export function safeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0)!;
    if (code === 0x0a) return "\\n";
    if (code === 0x09) return "\\t";
    const digits = code.toString(16);
    return code <= 0xff ? `\\x${digits.padStart(2, "0")}` : `\\u{${digits}}`;
  });
}

/** As `safeText`, but lines stay lines: for texts of our own that quote something. */
export function safeLines(text: string): string {
  return text.split("\n").map(safeText).join("\n");
}

/** At most `length` characters; where some are left out, the last one is an ellipsis. */
export function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/**
 * JSON that is safe to print anywhere: what is not ASCII leaves as `\uNNNN`. The value is the same.
 */
export function asciiJson(value: unknown): string {
  return asciiJsonText(JSON.stringify(value));
}

/** The same for JSON text that exists already. Only strings can hold such characters. */
export function asciiJsonText(json: string): string {
  return json.replace(
    /[^\0-~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
