/** The events as a table: some hundred rows at a time, each with its entry and proof behind a button. */
import { base64, parseUtf8, type Entry, type ParsedEvidence } from "@cairnlog/core";
import { element, part, shownLines, shownText } from "./shown-text.ts";

const rowsAtATime = 200;
const cellLengthMax = 300;

interface Row {
  readonly entry: Entry;
  readonly place: number;
  readonly cells: readonly (readonly [string, string])[];
}

export class EventsTable {
  readonly #evidence: ParsedEvidence;
  readonly #rows: readonly Row[];
  #matching: readonly Row[] = [];
  #shown = 0;

  constructor(evidence: ParsedEvidence) {
    this.#evidence = evidence;
    this.#rows = evidence.parsed.map(rowOf);
    this.filter("");
  }

  filter(text: string): void {
    const wanted = text.toLowerCase();
    const has = ({ place }: Row): boolean =>
      parseUtf8(this.#evidence.entries[place]!).toLowerCase().includes(wanted);
    this.#matching = wanted === "" ? this.#rows : this.#rows.filter(has);
    this.#shown = 0;
    part("events").replaceChildren();
    this.more();
  }

  more(): void {
    const next = this.#matching.slice(this.#shown, this.#shown + rowsAtATime);
    this.#shown += next.length;
    part("events").append(...next.map((row) => this.#rowElement(row)));
    part("more").hidden = this.#shown === this.#matching.length;
    part("shown").textContent =
      `${this.#shown} of ${this.#matching.length} shown, ${this.#rows.length} in all`;
  }

  #rowElement(row: Row): HTMLElement {
    const made = element("tr", "", { role: "row" });
    const head = element("th", "", { scope: "row", role: "rowheader" });
    const label = `Entry ${row.entry.seq}: show it and its proof`;
    const attributes = { type: "button", "aria-expanded": "false", "aria-label": label };
    const button = element("button", String(row.entry.seq), attributes);
    head.append(button);
    made.append(head);
    for (const [name, text] of row.cells) {
      const cell = text.length > cellLengthMax ? `${text.slice(0, cellLengthMax)}…` : text;
      made.append(element("td", shownText(cell), { role: "cell", "data-name": name }));
    }
    let details: HTMLElement | undefined;
    button.addEventListener("click", () => {
      if (details === undefined) {
        details = this.#details(row);
        made.after(details);
      } else {
        details.remove();
        details = undefined;
      }
      button.setAttribute("aria-expanded", String(details !== undefined));
    });
    return made;
  }

  #details({ entry, place }: Row): HTMLElement {
    const { header, leafHashes, parsedCheckpoint, proof } = this.#evidence;
    const made = element("tr", "", { role: "row" });
    const cell = element("td", "", { colspan: "8", role: "cell", class: "details" });
    const value: unknown = JSON.parse(parseUtf8(this.#evidence.entries[place]!));
    const facts = element("dl");
    for (const [name, text] of [
      ["leaf hash", base64(leafHashes[place]!)],
      ["hash of the entry before", base64(entry.prev)],
      ["place", `entry ${entry.seq} of a tree of ${header.size}`],
      ["root of the tree, signed", base64(parsedCheckpoint.root)],
      ["proof", `${proof.length} hashes, for all ${header.count} entries of the file together`],
    ] as const) {
      facts.append(element("dt", name), element("dd", text, { class: "mono" }));
    }
    cell.append(element("pre", shownLines(JSON.stringify(value, undefined, 2))), facts);
    made.append(cell);
    return made;
  }
}

type Members = Readonly<Record<string, unknown>>;

function rowOf(entry: Entry, place: number): Row {
  const event = JSON.parse(parseUtf8(entry.event)) as Members;
  const { type, class_uid: ocsfClass, actor, action, targets, outcome } = event;
  const cells = [
    ["Recorded", entry.time],
    ["Source", entry.source],
    ["Type", textOf(type ?? (ocsfClass === undefined ? "" : `OCSF class ${textOf(ocsfClass)}`))],
    ["Actor", isMembers(actor) ? textOf(actor["id"] ?? actor) : textOf(actor)],
    ["Action", textOf(action)],
    ["Targets", Array.isArray(targets) ? targets.map(targetText).join(", ") : textOf(targets)],
    ["Outcome", textOf(outcome)],
  ] as const;
  return { entry, place, cells };
}

function targetText(target: unknown): string {
  if (!isMembers(target)) return textOf(target);
  return `${textOf(target["type"])} ${textOf(target["id"])}`;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
