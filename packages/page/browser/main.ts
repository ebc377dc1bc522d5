/**
 * The page's own code: takes the evidence that the page holds, checks it, shows it; again under what the reader gives.
 * Runs without network, from a file, under a policy of contents that allows nothing else.
 */
import { hex, isCairnError, parseBase64, type EvidenceVerdict, type Policy } from "@cairnlog/core";
import { webCrypto } from "@cairnlog/crypto/web";
import { EventsTable } from "./events-table.ts";
import { element, part, shownText } from "./shown-text.ts";
import { judge, readTrust, type Judgement } from "./verdict.ts";

const { sha256 } = webCrypto;
let table: EventsTable | undefined;
/** What the evidence file is called when it is saved. */
let fileName = "";

async function start(): Promise<void> {
  say({
    verdict: "unable",
    word: "Checking",
    text: "The evidence is being checked.",
    found: undefined,
  });
  let bytes: Uint8Array;
  try {
    bytes = parseBase64(part("evidence").textContent ?? "");
  } catch {
    const text = "What the page holds is damaged: it is no evidence file.";
    return say({ verdict: "failed", word: "Not verified", text, found: undefined });
  }
  offerFile(bytes);
  listen(bytes);
  const judgement = await judge(bytes, undefined);
  if (judgement.found !== undefined) show(judgement.found);
  say(judgement);
}

function say({ verdict, word, text }: Judgement): void {
  part("verdict").dataset["verdict"] = verdict;
  // What does not verify is not shown, also under the reader's own policy.
  if (verdict === "failed") part("content").hidden = true;
  else if (verdict !== "unable") part("content").hidden = false;
  part("verdict-word").textContent = word;
  part("verdict-text").textContent = shownText(text);
  document.title = `${word}: ${part("title").textContent}`;
}

/** Everything but the verdict; only of evidence that agrees with itself. */
function show(found: EvidenceVerdict): void {
  const { evidence, signers, isExportRecorded } = found;
  const { header, note } = evidence;
  const { origin, size, count, recorded } = header;
  const { who, why, time, query } = header.export;
  part("title").textContent = `${count} entries of ${shownText(origin)}`;
  nameFile(`${origin.split("/").at(-1)}-${recorded ?? size}`);
  const cosigners = new Set(
    note.signatures.map(({ name }) => name).filter((name) => name !== origin),
  );
  const how = isExportRecorded
    ? `, as entry ${recorded} proves`
    : ". So says the file; no entry in it proves that";
  const facts: [string, string][] = [
    ["log", origin],
    ["taken by", `${who}, ${time}${how}`],
    ["why", why],
    ["asked for", JSON.stringify(query)],
    ["entries", `${count}, from ${evidence.parsed[0]!.time} to ${evidence.parsed.at(-1)!.time}`],
    ["checkpoint", `of ${size} entries`],
    ["cosignatures named", cosigners.size === 0 ? "none" : [...cosigners].join(", ")],
    ...signers.map(({ fingerprint: hash }): [string, string] => ["key's fingerprint", hash]),
  ];
  if (signers.length === 0) facts.push(["key", "the file names none: no signature was checked"]);
  part("facts").replaceChildren(
    ...facts.flatMap(([name, text]) => [element("dt", name), element("dd", shownText(text))]),
  );
  part("events-note").textContent =
    "A table cannot say that these are all events of their kind: between two entries of a range none is missing, elsewhere others may be.";
  table = new EventsTable(evidence);
}

/** Says how to check the file elsewhere. */
function nameFile(stem: string): void {
  const safe = stem.replace(/[^a-zA-Z0-9._-]/g, "-").replace(/^\.+/, "");
  fileName = `${safe.slice(0, 80)}.evidence`;
  part("command").textContent = `cairn verify ${fileName} --policy your.policy`;
}

/** The very bytes that are checked here. */
function offerFile(bytes: Uint8Array): void {
  nameFile("not-verified");
  part("file-facts").textContent = `${bytes.length} bytes, SHA-256 ${hex(sha256(bytes))}`;
  const save = part("save") as HTMLButtonElement;
  save.disabled = false;
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
    link.href = url;
    link.download = fileName;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
}

function listen(bytes: Uint8Array): void {
  const field = part("policy") as HTMLTextAreaElement;
  const check = part("check") as HTMLButtonElement;
  check.disabled = false;
  const again = (): void => void checkAgain(bytes, field.value);
  const take = (file: File | undefined): void => {
    if (file === undefined) return;
    void file.text().then((text) => {
      field.value = text;
      again();
    });
  };
  check.addEventListener("click", again);
  const chosen = part("policy-file") as HTMLInputElement;
  chosen.addEventListener("change", () => take(chosen.files?.[0]));
  const { body } = document;
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("dropping");
  });
  body.addEventListener("dragleave", () => body.classList.remove("dropping"));
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("dropping");
    const { dataTransfer } = event;
    const file = dataTransfer?.files[0];
    if (file !== undefined) return take(file);
    field.value = dataTransfer?.getData("text") ?? "";
    again();
  });
  const filter = part("filter") as HTMLInputElement;
  filter.addEventListener("input", () => table?.filter(filter.value));
  part("more").addEventListener("click", () => table?.more());
}

async function checkAgain(bytes: Uint8Array, text: string): Promise<void> {
  let policy: Policy | undefined;
  try {
    policy = text.trim() === "" ? undefined : readTrust(text);
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const message = `What you gave is neither a policy nor verifier keys: ${error.message}.`;
    return say({ verdict: "unable", word: "Not checked", text: message, found: undefined });
  }
  say(await judge(bytes, policy));
}

void start();
