/**
 * Texts of events on their way to the eye. They are hostile: a bidirectional override could show `alice` as somebody
 * else, a control character nothing at all. So what does not print itself is shown as an escape. They only ever become
 * text nodes: nothing here writes HTML.
 */

// Controls, marks and overrides of direction, zero-width characters, separators, private use, and what is no character.
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/** The text with everything invisible shown as `\u{N}`, line ends too. */
export function shownText(text: string): string {
  return text.replace(unseen, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same; lines stay lines. */
export function shownLines(text: string): string {
  return text.split("\n").map(shownText).join("\n");
}

/** An element with a text in it, and attributes by name. */
export function element(
  name: string,
  text: string = "",
  attributes: Readonly<Record<string, string>> = {},
): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** The element of the page with this id. */
export function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no part ${id}`);
  return found;
}
