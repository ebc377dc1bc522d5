/**
 * Files of sealed segments' streams that are not as they were written. They follow from the entries, and the log makes
 * them again where they are missing: the damaged ones are taken away.
 */
import { checkStreamFiles, Findings, LogFolder } from "@cairnlog/verify";
import { fileKind } from "./file-kinds.ts";
import type { RepairContext, TakenAway } from "./repair-context.ts";

export async function planStreams({ location, reader }: RepairContext): Promise<TakenAway[]> {
  const firsts: number[] = [];
  for (const { path } of await reader.list("index/streams")) {
    const file = fileKind(path);
    if (file.kind === "streams") firsts.push(file.first);
  }
  const findings = new Findings();
  await checkStreamFiles(new LogFolder(location), firsts, findings);
  return findings.problems().map(({ path = "", message }) => ({
    path,
    damage: message,
    how: "derived",
    staged: undefined,
  }));
}
