/** What it takes to plug a source in: the answers to its adapter's questions, a secret, an address to paste. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface, type Interface } from "node:readline/promises";
import { adapters, findAdapter, type Adapter, type Question } from "@cairnlog/capture";
import { CairnError } from "@cairnlog/core";
import type { Quota } from "@cairnlog/server";
import type { CommandContext } from "./command.ts";
import { readMappingFile } from "./mapping-file.ts";
import { findNearest } from "./nearest.ts";
import { asciiJson } from "./safe-text.ts";
import { bytesType, countType } from "./setting-types.ts";

/** The options of commands that ask for a secret. */
export const secretOptions = [
  { flags: "--secret <text>", about: "the secret, where the sender gives it (or one of your own)" },
  {
    flags: "--secret-file <path>",
    about: "the same from a file, which no list of processes shows",
  },
] as const;

/** The adapter of a kind. "usage" with the nearest one. */
export function requireAdapter(kind: string): Adapter {
  const adapter = findAdapter(kind);
  if (adapter !== undefined) return adapter;
  const kinds = adapters.map((each) => each.kind);
  const nearest = findNearest(kind, kinds);
  const meant = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  throw new CairnError(
    "usage",
    `there is no kind ${JSON.stringify(kind.slice(0, 40))}: see \`cairn sources kinds\`.${meant}`,
  );
}

/** Asks people on a terminal; scripts are told which flag they need. */
export class Asking {
  readonly #context: CommandContext;
  #lines: Interface | undefined;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  /** `flag`: what a script would have given. An empty answer is the default. */
  async ask(text: string, flag: string, standard: string | undefined): Promise<string> {
    const { io } = this.#context;
    if (!io.isTerminal.stdin || this.#context.output.isJson) {
      if (standard !== undefined) return standard;
      throw new CairnError("usage", `${text}: give it with ${flag}`);
    }
    this.#lines ??= createInterface({ input: io.stdin, output: io.stderr });
    const shown = standard === undefined || standard === "" ? "" : ` [${standard}]`;
    const ended = new AbortController();
    const onClose = (): void => ended.abort();
    this.#lines.once("close", onClose);
    const signal = AbortSignal.any([ended.signal, io.interrupted]);
    try {
      const answer = (await this.#lines.question(`${text}${shown}: `, { signal })).trim();
      if (answer !== "" || standard !== undefined) return answer === "" ? standard! : answer;
    } catch (cause) {
      if (!signal.aborted) throw cause;
    } finally {
      this.#lines.off("close", onClose);
    }
    throw new CairnError("usage", `${text}: there was no answer. ${flag} gives it`);
  }

  close(): void {
    this.#lines?.close();
  }
}

/** The answers to the adapter's questions: from `--set`, `--map`, or whoever sits at the terminal. */
export async function answersTo(
  adapter: Adapter,
  { options, io }: CommandContext,
  asking: Asking,
): Promise<Record<string, string>> {
  const { questions } = adapter.setup;
  const given = new Map(options.list("set").map(pairOf));
  const map = options.text("map");
  if (map !== undefined) given.set("map", map);
  for (const name of given.keys()) {
    if (questions.some((question) => question.name === name)) continue;
    const names = questions.map((question) => question.name).join(", ");
    const known = names === "" ? "it has no settings" : `it has ${names}`;
    throw new CairnError("usage", `${adapter.kind} has no setting ${asciiJson(name)}: ${known}`);
  }
  const answers: Record<string, string> = {};
  for (const question of questions) {
    const { name, text, default: standard } = question;
    const answer = given.get(name) ?? (await asking.ask(text, `--set ${name}=…`, standard));
    if (answer === "" && standard === "") continue;
    answers[name] = checked(question, answer, io.cwd);
  }
  return answers;
}

function checked({ name, pattern }: Question, answer: string, cwd: string): string {
  // The one question whose answer is a file: the source keeps what is in it.
  if (name === "map") return readMappingFile(resolve(cwd, answer), answer).text;
  if (pattern === undefined || pattern.test(answer)) return answer;
  throw new CairnError(
    "usage",
    `${name}: ${asciiJson(answer)} is not of the form ${pattern.source}`,
  );
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new CairnError("usage", `--set: expected name=value, not ${asciiJson(text)}`);
}

/** The secret that was given; else one that is made, or asked for, as the adapter says. */
export async function secretFor(
  adapter: Adapter,
  { options, io }: CommandContext,
  asking: Asking,
): Promise<string> {
  const [text, file] = [options.text("secret"), options.text("secretFile")];
  if (text !== undefined && file !== undefined) {
    throw new CairnError("usage", "give --secret or --secret-file, not both");
  }
  if (file !== undefined) return readSecret(resolve(io.cwd, file), file);
  if (text !== undefined) return text;
  if (adapter.setup.secret !== "given") return randomBytes(32).toString("base64url");
  return asking.ask("Secret, as the sender shows it", "--secret-file", undefined);
}

function readSecret(path: string, shown: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    throw new CairnError("usage", `--secret-file: ${shown} cannot be read: ${why}`, { cause });
  }
}

const quotaUnits = { s: "eventsPerSecond", m: "eventsPerMinute", d: "bytesPerDay" } as const;

/** `--quota 100/s`, `--quota 6000/m`, `--quota 1GiB/d`. */
export function parseQuotas(texts: readonly string[]): Quota | undefined {
  const quota: Record<string, number> = {};
  for (const text of texts) {
    const [, amount = "", unit] = /^([0-9A-Za-z]+)\/([smd])$/.exec(text) ?? [];
    if (unit === undefined) {
      throw new CairnError(
        "usage",
        `--quota: expected events as 100/s or 6000/m, or bytes as 1GiB/d, not ${asciiJson(text)}`,
      );
    }
    const type = unit === "d" ? bytesType : countType;
    quota[quotaUnits[unit as keyof typeof quotaUnits]] = type.parse(amount, "--quota");
  }
  return texts.length === 0 ? undefined : quota;
}

/** What the sender must be given. The server's address is a guess where `--address` does not say it. */
export function sourceUrl({ config, options }: CommandContext, log: string, name: string): string {
  const { hostName = [], listen, tlsCert } = config.values;
  const scheme = tlsCert === undefined ? "http" : "https";
  const isUsual = listen.port === (tlsCert === undefined ? 80 : 443);
  const [host = listen.host.includes(":") ? `[${listen.host}]` : listen.host] = hostName;
  const port = isUsual || /:[0-9]+$/.test(host) ? "" : `:${listen.port}`;
  const base = options.text("address") ?? `${scheme}://${host}${port}`;
  return `${base.replace(/\/+$/, "")}/v1/logs/${log}/sources/${name}`;
}
