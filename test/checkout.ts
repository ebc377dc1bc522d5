/** The files of this checkout, as the tests about the checkout itself see them. Needs no git: a tarball has none. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What .gitignore names: made here, not part of the project. */
const made = new Set([".git", "node_modules", "dist", "dist-package", "cairn-data", "coverage"]);
const madeEndings = [".tsbuildinfo", ".tgz", ".log", ".cpuprofile"];

export interface CheckoutFile {
  /** From the root of the checkout, with "/" between its parts. */
  readonly path: string;
  readonly text: string;
}

/** All text files with one of these endings, in a stable order. */
export function checkoutFiles(...endings: string[]): CheckoutFile[] {
  return [...walk(root)]
    .map((path) => relative(root, path).split(sep).join("/"))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

export function checkoutPath(path: string): string {
  return join(root, path);
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (made.has(entry.name) || madeEndings.some((ending) => entry.name.endsWith(ending))) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** The text with its comments blanked out; the lines stay where they are. */
export function withoutComments(text: string): string {
  // Strings come first in the pattern, so that a "//" inside one is not taken for a comment.
  const token =
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|(?<![\\/])\/\/[^\n]*/g;
  return text.replace(token, (found, string: string | undefined) =>
    string === undefined ? found.replace(/[^\n]/g, " ") : found,
  );
}
