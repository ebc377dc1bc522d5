/** Makes docs/sources/<kind>.md from the adapters: what each knows of its sender, and where the fields come from. */
import { adapters, type Adapter } from "@cairnlog/capture";

const log = "main";

/** The pages by path, from the root of the checkout. */
export function sourceDocs(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/sources/README.md", overview()],
    ...adapters.map((adapter) => [`docs/sources/${adapter.kind}.md`, page(adapter)] as const),
  ]);
}

const madeBy = "<!-- Made from the adapters by `node packages/cli/src/docs.ts`. -->";

function overview(): string {
  return pageOf([
    "# Sources",
    madeBy,
    "What can be plugged in with `cairn sources add <kind>`. How it works: [capture.md](../capture.md).",
    table(
      ["kind", "", "basis"],
      adapters.map(({ kind, title, basis }) => [`[\`${kind}\`](${kind}.md)`, title, basis]),
    ),
  ]);
}

function page({ kind, title, basis, known, setup }: Adapter): string {
  const url = `https://audit.example.com/v1/logs/${log}/sources/${kind}`;
  const answers = Object.fromEntries(
    setup.questions.map((question) => [question.name, question.default ?? `<${question.name}>`]),
  );
  const paste = { url, secret: "<secret>", source: kind };
  return pageOf([
    `# ${title}`,
    madeBy,
    `\`cairn sources add ${kind}\`. Basis: ${basis}.`,
    "## Plugging it in",
    `${secretText[setup.secret]} With the address and the secret that the command prints:`,
    setup.instructions(paste, answers).trim(),
    ...(setup.questions.length === 0 ? [] : ["## Settings", questions(setup.questions)]),
    "## Events",
    "Where the fields of an event come from. Whatever else the sender says is kept whole under `details`, also in events " +
      "of a kind that is not listed here.",
    table(
      ["event", "`type`", "`actor`", "`action`", "`targets`", "`outcome`"],
      known.map((row) => [
        `\`${row.kind}\``,
        /^[a-z0-9_.-]+$/.test(row.type) ? `\`${row.type}\`` : row.type,
        row.actor,
        row.action,
        row.targets,
        row.outcome,
      ]),
    ),
  ]);
}

const secretText: Readonly<Record<Adapter["setup"]["secret"], string>> = {
  random: "The command makes the secret, which the sender is given.",
  given: "The sender gives the secret, which the command asks for.",
  token: "The command makes a token, which the sender is given.",
};

function questions(list: Adapter["setup"]["questions"]): string {
  return table(
    ["`--set`", "", "default"],
    list.map(({ name, text, default: standard = "" }) => [
      `\`${name}\``,
      text,
      standard === "" ? "" : `\`${standard}\``,
    ]),
  );
}

function pageOf(parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
