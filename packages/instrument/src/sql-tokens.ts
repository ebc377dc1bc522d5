/**
 * A statement's tokens, by the lexical rules of PostgreSQL's manual, section 4.1, with MySQL's
 * backslashes and backticks where asked for. Only as much as it takes to tell values from the rest:
 * what is a literal or a comment must never be taken for anything else, so what does not end is one
 * to its end.
 */

export type SqlTokenKind = "word" | "quoted" | "literal" | "parameter" | "punctuation";

export interface SqlToken {
  readonly kind: SqlTokenKind;
  /** As written; of a quoted identifier what it names. */
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

const space = /[\s\ufeff]+/y;
const dollarQuote = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const parameter = /\$\d+|\?/y;
const number = /(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\w*/y;
const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;

/** Comments and white space are between tokens. `isMySql`: backslashes escape, and `"` quotes values. */
export function* sqlTokens(sql: string, isMySql: boolean): Generator<SqlToken, void> {
  let at = 0;
  while (at < sql.length) {
    const skipped = afterGap(sql, at, isMySql);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const token = tokenAt(sql, at, isMySql);
    yield token;
    at = token.to;
  }
}

/** Behind one piece of white space or one comment, or `at`. */
function afterGap(sql: string, at: number, isMySql: boolean): number {
  const blank = lengthAt(space, sql, at);
  if (blank > 0) return at + blank;
  if (sql.startsWith("--", at) || (isMySql && sql[at] === "#")) {
    const end = sql.indexOf("\n", at);
    return end < 0 ? sql.length : end + 1;
  }
  return sql.startsWith("/*", at) ? afterComment(sql, at, isMySql) : at;
}

/** PostgreSQL's comments nest. */
function afterComment(sql: string, at: number, isMySql: boolean): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = at + 2;
  for (let depth = 1, found = edge.exec(sql); found !== null; found = edge.exec(sql)) {
    depth += found[0] === "*/" ? -1 : isMySql ? 0 : 1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}

function tokenAt(sql: string, at: number, isMySql: boolean): SqlToken {
  const make = (kind: SqlTokenKind, to: number, text = sql.slice(at, to)): SqlToken => ({
    kind,
    text,
    from: at,
    to,
  });
  const char = sql[at]!;
  // E'…', B'…', X'…', N'…' and U&'…': the letter belongs to the value.
  const prefix = /[EeBbXxNn]'|[Uu]&'/y;
  const prefixLength = Math.max(0, lengthAt(prefix, sql, at) - 1);
  if (char === "'" || prefixLength > 0) {
    const escapes = isMySql || char === "E" || char === "e";
    return make("literal", afterQuoted(sql, at + prefixLength, "'", escapes));
  }
  if (char === '"' && isMySql) return make("literal", afterQuoted(sql, at, '"', true));
  if (char === '"' || (char === "`" && isMySql)) {
    const to = afterQuoted(sql, at, char, false);
    return make(
      "quoted",
      to,
      sql.slice(at + 1, Math.max(at + 1, to - 1)).replaceAll(char + char, char),
    );
  }
  const tag = isMySql ? 0 : lengthAt(dollarQuote, sql, at);
  if (tag > 0) {
    const end = sql.indexOf(sql.slice(at, at + tag), at + tag);
    return make("literal", end < 0 ? sql.length : end + tag);
  }
  for (const [kind, pattern] of patterns) {
    const length = lengthAt(pattern, sql, at);
    if (length > 0) return make(kind, at + length);
  }
  return make("punctuation", at + 1);
}

const patterns = [
  ["parameter", parameter],
  ["literal", number],
  ["word", word],
] as const;

/** Behind the quote that ends what begins with one at `at`. */
function afterQuoted(sql: string, at: number, quote: string, escapes: boolean): number {
  for (let i = at + 1; i < sql.length; i++) {
    if (escapes && sql[i] === "\\") i++;
    else if (sql[i] === quote) {
      if (sql[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return sql.length;
}

function lengthAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}
