/**
 * The published checkpoint: one of the source's that all of the log's keys signed, and that is not newer than the
 * log.
 */
import { writeFileSync } from "node:fs";
import { isCairnError, verifyCheckpoint } from "@cairnlog/core";
import { checkpointPath } from "./file-kinds.ts";
import type { RepairContext, Staged } from "./repair-context.ts";

/** Whether its root is the log's is asked when the log is opened. */
export async function planCheckpoint(
  context: RepairContext,
): Promise<(Staged | { readonly path: string; readonly why: string })[]> {
  const { reader, isRunning, source, files } = context;
  const path = checkpointPath;
  const own = await reader.get(path);
  // A log that has it open writes the next one itself.
  if (isRunning || (await isSound(context, own))) return [];
  const damage = own === undefined ? "the file is gone" : "it is not signed by the log, or too new";
  const found = await source.checkpoint(context.commit.size);
  if (found === undefined || !(await isSound(context, found))) {
    return [{ path, why: `${damage}; ${source.where} has none that is right` }];
  }
  const write = (full: string): void => writeFileSync(full, found, { mode: 0o600 });
  return [{ path, damage, how: "copy", staged: files.stage(path, write) }];
}

async function isSound(context: RepairContext, bytes: Uint8Array | undefined): Promise<boolean> {
  if (bytes === undefined) return false;
  const { crypto, vkeys, settings, commit } = context;
  try {
    const { checkpoint, verified } = await verifyCheckpoint(crypto, bytes, vkeys, settings.origin);
    const isSigned = vkeys.every((vkey) => verified.some((each) => each.vkey === vkey));
    return isSigned && checkpoint.size <= commit.size;
  } catch (error) {
    if (isCairnError(error)) return false;
    throw error;
  }
}
