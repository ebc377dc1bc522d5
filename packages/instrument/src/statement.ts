/**
 * What a statement says it does, read off its words: the operations, the tables that it names, and
 * its text without the values in it.
 *
 * This is no parser of SQL, and what it tells is what was asked for, not what the database did: a
 * view, a function, a trigger or a rule may do more. Every operation that a text spells out is named,
 * also the second of `SELECT 1; DROP TABLE t`, and the DELETE within a WITH. Names that cannot be
 * told for sure are left out. pgaudit, or change capture, is who tells what the database did.
 */
import { sqlTokens, type SqlToken } from "./sql-tokens.ts";
import { boundedText } from "./selection.ts";

export interface Statement {
  /** As in `SELECT`, `DROP TABLE`, `DELETE, SELECT`. */
  readonly action: string;
  readonly operations: readonly string[];
  /** As written, unquoted ones in lower case: `public.orders`. */
  readonly tables: readonly string[];
  /** Without comments, each value as `?`, white space as it was between lines made one space. */
  readonly text: string;
  /** True where it goes on: the rest was not looked at. */
  readonly isCut: boolean;
}

/** More than this is not read. */
const readMax = 64 * 1024;
const textMax = 4096;
const operationsMax = 8;
const tablesMax = 16;

const queries = new Set(["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"]);
const changes = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
/** Whose FROM and JOIN name tables. */
const reading = new Set([...queries, "WITH", "EXPLAIN", "CREATE", "DECLARE", "PREPARE", "REPLACE"]);
const objects = new Set(["CREATE", "ALTER", "DROP"]);
/** Between such a verb and the kind of object. */
const adjectives = new Set(
  "OR REPLACE TEMP TEMPORARY UNLOGGED UNIQUE GLOBAL LOCAL MATERIALIZED RECURSIVE".split(" "),
);
/** Before a table's name. */
const fillers = new Set("TABLE ONLY LATERAL IF NOT EXISTS".split(" "));
const ends = new Set("WHERE GROUP ORDER HAVING LIMIT UNION SET RETURNING WINDOW FOR".split(" "));
/** Functions with a FROM of their own. */
const ownFrom = new Set("EXTRACT SUBSTRING TRIM OVERLAY POSITION".split(" "));

/** Reads a statement, or several. Never throws. */
export function readStatement(sql: string, isMySql = false): Statement {
  const isCut = sql.length > readMax;
  const tokens = [...sqlTokens(isCut ? sql.slice(0, readMax) : sql, isMySql)];
  const reader = new Reader(tokens);
  reader.read();
  const operations = [...reader.operations]
    .slice(0, operationsMax)
    .map((operation) => boundedText(operation, 64));
  const isMore = isCut || reader.operations.size > operationsMax;
  const action = operations.join(", ") + (isMore ? ", …" : "");
  const tables = [...reader.tables].filter((name) => !reader.names.has(name));
  const text = boundedText(masked(sql, tokens), textMax);
  return {
    action: boundedText(action === "" ? "UNKNOWN" : action, 80),
    operations,
    tables: tables.slice(0, tablesMax).map((name) => boundedText(name, 256)),
    text,
    isCut: isMore || text.endsWith("…") || tables.length > tablesMax,
  };
}

function masked(sql: string, tokens: readonly SqlToken[]): string {
  let text = "";
  let at = 0;
  for (const { kind, from, to } of tokens) {
    if (from > at && text !== "") text += " ";
    text += kind === "literal" ? "?" : sql.slice(from, to);
    at = to;
    if (text.length > textMax) break;
  }
  return text;
}

interface Level {
  /** The word before its parenthesis. */
  readonly word: string;
  /** Whether a comma is followed by a table. */
  lists: boolean;
}

class Reader {
  readonly operations = new Set<string>();
  readonly tables = new Set<string>();
  /** Of common table expressions. */
  readonly names = new Set<string>();
  readonly #tokens: readonly SqlToken[];
  #levels: Level[] = [{ word: "", lists: false }];
  /** The statement's first word; empty before it. */
  #verb = "";
  /** The object's kind comes next. */
  #wantsKind = false;
  /** EXPLAIN's statement comes next. */
  #wantsQuery = false;
  #at = 0;

  constructor(tokens: readonly SqlToken[]) {
    this.#tokens = tokens;
  }

  read(): void {
    for (; this.#at < this.#tokens.length; this.#at++) {
      const { kind, text } = this.#tokens[this.#at]!;
      if (kind === "word") this.#word(text.toUpperCase());
      else if (kind === "punctuation") this.#punctuation(text);
    }
  }

  get #level(): Level {
    return this.#levels.at(-1)!;
  }

  /** The word `back` tokens ago in capitals, or what stands there instead. */
  #before(back = 1): string {
    const token = this.#tokens[this.#at - back];
    return token === undefined ? "" : token.kind === "word" ? token.text.toUpperCase() : token.text;
  }

  #punctuation(text: string): void {
    if (text === "(") {
      const before = this.#tokens[this.#at - 1];
      const isName = before?.kind === "word" || before?.kind === "quoted";
      this.#levels.push({ word: isName ? nameOf(before) : "", lists: false });
    } else if (text === ")" && this.#levels.length > 1) {
      const { word } = this.#levels.pop()!;
      // WITH name (columns) AS (…
      if (word !== "" && this.#isCommonTable(this.#at + 1)) this.names.add(word);
    } else if (text === ";") {
      this.#levels = [{ word: "", lists: false }];
      this.#verb = "";
      this.#wantsQuery = false;
      this.#wantsKind = false;
    } else if (text === "," && this.#level.lists) this.#table();
  }

  #word(text: string): void {
    if (this.#verb === "") return this.#begin(text);
    if (this.#wantsKind && !adjectives.has(text)) {
      this.operations.add(`${this.#verb} ${text}`);
      this.#wantsKind = false;
    }
    const isOuter = this.#levels.length === 1;
    const begins = this.#before() === "(" || this.#before() === ")";
    if (this.#verb === "WITH" && begins && (changes.has(text) || (isOuter && queries.has(text)))) {
      this.operations.add(text);
    } else if (this.#wantsQuery && queries.has(text)) {
      this.operations.add(text);
      this.#wantsQuery = changes.has(text) ? false : this.#wantsQuery;
    }
    if (this.#verb === "WITH" && this.#isCommonTable(this.#at + 1)) {
      this.names.add(nameOf(this.#tokens[this.#at]!));
    }
    if (ends.has(text)) this.#level.lists = false;
    if (this.#namesTable(text)) this.#table();
  }

  #begin(text: string): void {
    this.#verb = text;
    this.#wantsKind = objects.has(text);
    this.#wantsQuery = text === "EXPLAIN";
    const isBack = text === "ROLLBACK" && this.#goesBack(this.#at + 1);
    if (isBack) this.operations.add("ROLLBACK TO");
    else if (!this.#wantsKind && text !== "WITH") this.operations.add(text);
    if (text === "UPDATE" || text === "TRUNCATE" || text === "LOCK" || text === "COPY") {
      this.#table();
    }
  }

  /** `[WORK | TRANSACTION] TO` at `at`: to a savepoint, so the transaction goes on. */
  #goesBack(at: number): boolean {
    const words = this.#tokens.slice(at, at + 2).map(({ text }) => text.toUpperCase());
    return (
      words[0] === "TO" || (/^(?:WORK|TRANSACTION)$/.test(words[0] ?? "") && words[1] === "TO")
    );
  }

  /** `AS [NOT] [MATERIALIZED] (` at `at`. */
  #isCommonTable(at: number): boolean {
    const isWord = (i: number, word: string): boolean =>
      this.#tokens[i]?.kind === "word" && this.#tokens[i].text.toUpperCase() === word;
    if (!isWord(at, "AS")) return false;
    const then = at + 1 + (isWord(at + 1, "NOT") ? 1 : 0);
    const last = then + (isWord(then, "MATERIALIZED") ? 1 : 0);
    return this.#tokens[last]?.text === "(" && this.#tokens[last].kind === "punctuation";
  }

  /** Whether a table's name follows this word. */
  #namesTable(text: string): boolean {
    const before = this.#before();
    if (text === "TABLE") return !this.#level.lists && before !== "AS";
    if (text === "ON") return ["GRANT", "REVOKE"].includes(this.#verb) || this.#isIndex;
    if (!reading.has(this.#verb)) return false;
    if (text === "INTO" || text === "JOIN" || text === "USING") {
      return text !== "USING" || this.#before(2) !== "JOIN";
    }
    if (text === "UPDATE") return before !== "DO" && before !== "FOR" && before !== "KEY";
    if (text !== "FROM") return false;
    return before !== "DISTINCT" && !ownFrom.has(this.#level.word.toUpperCase());
  }

  get #isIndex(): boolean {
    return this.operations.has("CREATE INDEX") || this.operations.has("CREATE TRIGGER");
  }

  /** Takes the name that follows, if one does that is a table's. */
  #table(): void {
    const verb = this.#before(0);
    if (verb !== "JOIN") this.#level.lists = verb !== "INTO" && verb !== "COPY";
    let i = this.#at + 1;
    const isFiller = (): boolean =>
      this.#tokens[i]?.kind === "word" && fillers.has(this.#tokens[i]!.text.toUpperCase());
    while (isFiller()) i++;
    const parts: string[] = [];
    for (; ; i += 2) {
      const token = this.#tokens[i];
      if (token?.kind !== "word" && token?.kind !== "quoted") return;
      parts.push(nameOf(token));
      if (this.#tokens[i + 1]?.text !== ".") break;
    }
    const after = this.#tokens[i + 1];
    // A function's arguments, where it is not a table's columns or their definitions.
    const takesColumns = verb === "INTO" || verb === "COPY" || !reading.has(this.#verb);
    const isCreated = this.#verb === "CREATE";
    if (after?.text === "(" && after.kind === "punctuation" && !takesColumns && !isCreated) return;
    this.tables.add(parts.join("."));
    this.#at = i;
  }
}

function nameOf({ kind, text }: SqlToken): string {
  return kind === "quoted" ? text : text.toLowerCase();
}
