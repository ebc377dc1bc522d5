/**
 * The tour on a terminal: a card for each scene, at most 96 columns wide, in colour where that is allowed. What comes
 * from the log and its watchers is escaped like everywhere else.
 */
import type { Output, Style } from "../output.ts";
import { safeText, shorten } from "../safe-text.ts";
import type { Happening, Observation, Outcome, SceneResult } from "./scene.ts";

const labelWidth = 10;
const widthMin = 60;
const widthMax = 96;
/** Longer sentences are cut: all of it is in `--json`. */
const saidLinesMax = 4;

const next =
  "Next: docs/witness.md, docs/mirror-and-monitor.md, docs/scrubbing.md and docs/worm.md set these watchers up.";

const outcomes: Readonly<Record<Outcome, readonly [Style, string]>> = {
  noticed: ["good", "NOTICED"],
  missed: ["bad", "MISSED"],
  silent: ["warn", "silent"],
  told: ["dim", "told"],
  mended: ["good", "MENDED"],
};

export class Show {
  readonly #output: Output;
  readonly #width: number;
  readonly #count: number;
  #before: Happening["kind"] | undefined;

  /** `columns` of the terminal; undefined where there is none. */
  constructor(output: Output, columns: number | undefined, count: number) {
    this.#output = output;
    this.#width = Math.min(Math.max(columns ?? widthMax, widthMin), widthMax);
    this.#count = count;
  }

  async opening(): Promise<void> {
    const { paint } = this;
    await this.#lines([
      "",
      paint("bold", "What an administrator could do, and who would notice"),
      "",
      ...this.#wrap(
        "A throw-away log, three witnesses, a monitor, an application: all of it real, on loopback, in one folder. " +
          "The attacker has root on the log's server and the log's real signing keys. What they do not have is the " +
          "witnesses' machines, nor yours.",
        0,
      ),
      "",
    ]);
  }

  async title(number: number, title: string): Promise<void> {
    const { paint } = this;
    const head = ` ${number} of ${this.#count} `;
    const rule = "─".repeat(this.#width - head.length - 2);
    this.#before = undefined;
    await this.#lines([paint("dim", `──${head}${rule}`), `   ${paint("bold", title)}`]);
  }

  async happening(happening: Happening): Promise<void> {
    const isNew = this.#before !== happening.kind;
    const isBlock = isNew || happening.kind === "attack" || happening.kind === "evidence";
    const lines = this.#of(happening, isNew);
    if (isBlock) lines.unshift("");
    this.#before = happening.kind;
    await this.#lines(lines);
  }

  /** Who was first in each scene, and how it all ended. */
  async closing(results: readonly SceneResult[]): Promise<void> {
    const { paint } = this;
    const titleWidth = Math.floor((this.#width - 18) * 0.6);
    const rows = results.map((result) => {
      const first = firstOf(result);
      const mark = result.ok ? paint("good", first === undefined ? "·" : "✔") : paint("bad", "✘");
      const title = shorten(result.title, titleWidth).padEnd(titleWidth);
      const time = first === undefined ? "" : duration(first.ms ?? 0);
      const by = shorten(first?.by ?? "told, not shown", this.#width - titleWidth - 18);
      return `${String(result.scene).padStart(4)} ${mark} ${title} ${time.padStart(8)}  ${by}`;
    });
    const counts = countOf(results);
    const [style, verdict] = results.every(({ ok }) => ok)
      ? (["good", allRang(counts.noticed)] as const)
      : (["bad", `Not noticed, and should have been: ${counts.missed}.`] as const);
    const blind = sawNothing(counts.silent);
    await this.#lines([
      paint("dim", "─".repeat(this.#width)),
      `   ${paint("bold", "Who was first, and how fast")}`,
      "",
      ...rows,
      "",
      ...this.#wrap(`${verdict} ${blind}`.trim(), 3).map((line) => paint(style, line)),
      ...this.#wrap(next, 3).map((line) => paint("dim", line)),
      "",
    ]);
  }

  #of(happening: Happening, isNew: boolean): string[] {
    const { paint } = this;
    switch (happening.kind) {
      case "attack":
        return this.#labelled(paint("bad", "attack"), "attack", happening.text);
      case "observation":
        return this.#observation(happening);
      case "evidence": {
        const width = this.#width - labelWidth - 3;
        return [
          this.#row(paint("bold", "left"), "left", paint("bold", safeText(happening.path))),
          ...happening.excerpt.flatMap((line) =>
            this.#cut(this.#wrapTo(breakable(safeText(line)), width), 3).map((each) =>
              this.#row("", "", paint("dim", each)),
            ),
          ),
        ];
      }
      case "limit":
        return this.#labelled(
          isNew ? paint("dim", "mind") : "",
          isNew ? "mind" : "",
          happening.text,
          "dim",
        );
    }
  }

  #observation({ by, outcome, ms, said }: Observation): string[] {
    const { paint } = this;
    const [style, word] = outcomes[outcome];
    const time = ms === undefined ? "" : duration(ms);
    const room = this.#width - labelWidth - 3 - time.length;
    const who = shorten(by, room - 1).padEnd(room);
    const lines = this.#cut(
      this.#wrapTo(safeText(said), this.#width - labelWidth - 3),
      saidLinesMax,
    );
    return [
      this.#row(paint(style, word), word, `${who}${paint("dim", time)}`),
      ...lines.map((line) => this.#row("", "", paint("dim", line))),
    ];
  }

  #labelled(label: string, plain: string, text: string, style?: Style): string[] {
    return this.#wrapTo(safeText(text), this.#width - labelWidth - 3).map((line, i) =>
      this.#row(
        i === 0 ? label : "",
        i === 0 ? plain : "",
        style === undefined ? line : this.paint(style, line),
      ),
    );
  }

  #row(label: string, plain: string, text: string): string {
    return `   ${label}${" ".repeat(labelWidth - plain.length)}${text}`;
  }

  #wrap(text: string, indent: number): string[] {
    return this.#wrapTo(text, this.#width - indent).map((line) => " ".repeat(indent) + line);
  }

  #wrapTo(text: string, width: number): string[] {
    return wrapText(text, width);
  }

  #cut(lines: readonly string[], most: number): string[] {
    if (lines.length <= most) return [...lines];
    return [...lines.slice(0, most - 1), `${lines[most - 1]!.slice(0, -1)}…`];
  }

  async #lines(lines: readonly string[]): Promise<void> {
    for (const line of lines) await this.#output.line(line.trimEnd());
  }

  readonly paint = (style: Style, text: string): string => this.#output.paint(style, text);
}

/** JSON has no spaces to break a line at. */
function breakable(line: string): string {
  return line.replaceAll(',"', ', "');
}

/** Lines of at most `width` characters, cut between words; a longer word is cut where the line ends. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let rest = word;
    if (line !== "" && line.length + 1 + rest.length > width) {
      lines.push(line);
      line = "";
    }
    for (; rest.length > width; rest = rest.slice(width)) lines.push(rest.slice(0, width));
    line = line === "" ? rest : `${line} ${rest}`;
  }
  return [...lines, line];
}

/** `0.4 ms`, `23 ms`, `1.8 s`: seven columns. */
export function duration(ms: number): string {
  const text =
    ms < 9.95
      ? `${ms.toFixed(1)} ms`
      : ms < 999.5
        ? `${ms.toFixed(0)} ms`
        : `${(ms / 1000).toFixed(1)} s`;
  return text.padStart(7);
}

function allRang(alarms: number): string {
  return alarms === 0 ? "" : `All ${alarms} alarms that should ring have rung.`;
}

function sawNothing(times: number): string {
  if (times === 0) return "";
  const often = times === 1 ? "Once" : `${times} times`;
  return `${often} somebody saw nothing, as our documents say.`;
}

/** Whoever noticed first, by what the scene measured. */
function firstOf({ happenings }: SceneResult): Observation | undefined {
  return happenings.find(
    (each): each is Observation & { readonly kind: "observation" } =>
      each.kind === "observation" && each.outcome === "noticed",
  );
}

function countOf(results: readonly SceneResult[]): Record<Outcome, number> {
  const counts = { noticed: 0, missed: 0, silent: 0, told: 0, mended: 0 };
  for (const { happenings } of results) {
    for (const each of happenings) if (each.kind === "observation") counts[each.outcome]++;
  }
  return counts;
}
