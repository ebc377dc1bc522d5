/**
 * Makes docs/errors.md from the error table, so that the two cannot differ; a test compares them.
 *
 * `npm run docs` writes the page.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errorTable } from "@cairnlog/core";

export const errorsPagePath = fileURLToPath(new URL("../docs/errors.md", import.meta.url));

export function renderErrorsPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { status, exit, title, todo }]) =>
      `| <a id="${code}"></a>\`${code}\` | ${status} | ${exit} | ${title}. | ${todo} |`,
  );
  return [
    "# Errors",
    "",
    "Made from the table in [packages/core/src/errors.ts](../packages/core/src/errors.ts) by `npm run docs`.",
    "",
    "A code is public: codes are added, never renamed. Over HTTP an error is a problem document (RFC 9457) whose",
    "`type` is `/errors/<code>`; the server answers there with the same words. In the command it is the exit status.",
    "",
    "Exit statuses: 0 good, 1 not proven, 2 wrong usage or input, 3 unavailable or refused.",
    "",
    "| code | HTTP | exit | what happened | what to do |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

if (import.meta.main) writeFileSync(errorsPagePath, renderErrorsPage());
