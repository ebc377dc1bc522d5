/**
 * One entry on one line, for people. Everything in it may be hostile, and leaves through
 * `safeText`.
 */
import { parseEntryHead, parseUtf8 } from "@cairnlog/core";
import type { Output } from "./output.ts";
import { safeText, shorten } from "./safe-text.ts";

const targetsShown = 3;

/**
 * `42  2026-11-23T05:00:00.123Z  api  database.query  alice@example.com  SELECT  postgres:orders
 * success`
 */
export function renderEntry(output: Output, bytes: Uint8Array): string {
  const { seq, time, source, event: eventBytes } = parseEntryHead(bytes);
  const event = readEvent(eventBytes);
  const fields = [
    output.paint("dim", `${String(seq).padStart(6)}  ${time}`),
    safeText(source).padEnd(8),
    output.paint("bold", shown(event["type"] ?? ocsfType(event), 48)),
    shown(member(event["actor"], "id"), 64),
    shown(event["action"], 48),
    targetsOf(event["targets"]),
    outcomeOf(output, event["outcome"]),
  ];
  return fields.filter((field) => field !== "").join("  ");
}

function readEvent(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(parseUtf8(bytes)) as unknown;
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function ocsfType(event: Readonly<Record<string, unknown>>): string {
  return typeof event["class_uid"] === "number" ? `ocsf/${event["class_uid"]}` : "?";
}

function targetsOf(targets: unknown): string {
  if (!Array.isArray(targets)) return "";
  const names = targets
    .slice(0, targetsShown)
    .map((target) => `${shown(member(target, "type"), 24)}:${shown(member(target, "id"), 64)}`);
  const more = targets.length - names.length;
  return names.join(" ") + (more > 0 ? ` and ${more} more` : "");
}

function outcomeOf(output: Output, outcome: unknown): string {
  const text = shown(outcome, 16);
  if (text === "failure" || text === "denied") return output.paint("bad", text);
  return text === "success" ? output.paint("good", text) : text;
}

function shown(value: unknown, length: number): string {
  if (typeof value !== "string" && typeof value !== "number") return "";
  return shorten(safeText(String(value)), length);
}

function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
