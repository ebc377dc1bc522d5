/**
 * The pages behind the `type` of a problem: what a code means and what to do, from the error table.
 */
import { errorTable, type CairnErrorCode } from "@cairnlog/core";

export interface Page {
  readonly type: string;
  readonly text: string;
}

/** Nothing is loaded and nothing runs on these pages; the style is theirs alone. */
export const pageSecurityPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

const codes = Object.keys(errorTable) as CairnErrorCode[];

export function isErrorCode(text: string): text is CairnErrorCode {
  return Object.hasOwn(errorTable, text);
}

/** All codes, as the Accept header wishes: HTML, JSON, or text. */
export function errorIndexPage(accept: string | undefined): Page {
  switch (wish(accept)) {
    case "html":
      return html("Errors", `<dl>${codes.map(htmlEntry).join("")}</dl>`);
    case "json":
      return json({ errors: codes.map(describe) });
    case "text":
      return text(codes.map(textEntry).join("\n"));
  }
}

export function errorPage(code: CairnErrorCode, accept: string | undefined): Page {
  switch (wish(accept)) {
    case "html":
      return html(code, `<dl>${htmlEntry(code)}</dl><p><a href="/errors">All errors</a></p>`);
    case "json":
      return json(describe(code));
    case "text":
      return text(textEntry(code));
  }
}

function wish(accept = ""): "html" | "json" | "text" {
  if (accept.includes("text/html")) return "html";
  return accept.includes("json") ? "json" : "text";
}

function describe(code: CairnErrorCode): object {
  const { status, exit, title, todo } = errorTable[code];
  return { type: `/errors/${code}`, code, title, status, exit, todo };
}

function textEntry(code: CairnErrorCode): string {
  const { status, exit, title, todo } = errorTable[code];
  return `${code} (HTTP ${status}, exit ${exit})\n  ${title}.\n  ${todo}\n`;
}

function htmlEntry(code: CairnErrorCode): string {
  const { status, title, todo } = errorTable[code];
  return (
    `<dt id="${code}"><code>${code}</code> · ${escapeHtml(title)} · HTTP ${status}</dt>` +
    `<dd>${escapeHtml(todo)}</dd>`
  );
}

function escapeHtml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function html(title: string, body: string): Page {
  return {
    type: "text/html; charset=utf-8",
    text:
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} · Cairn</title>` +
      '<meta name="viewport" content="width=device-width"><style>body{font:1rem/1.5 system-ui;' +
      "max-width:44rem;margin:2rem auto;padding:0 1rem}dt{margin-top:1rem;font-weight:600}" +
      `dd{margin:0}</style><h1>${title}</h1>${body}</html>\n`,
  };
}

function json(value: object): Page {
  return { type: "application/json; charset=utf-8", text: JSON.stringify(value) };
}

function text(value: string): Page {
  return { type: "text/plain; charset=utf-8", text: value };
}
