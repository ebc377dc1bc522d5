/** Finds out what it was given, and verifies that. */
import fs from "node:fs/promises";
import { CairnError, evidenceBytesMax } from "@cairnlog/core";
import { verifyDirectory, type DirectoryOptions } from "./directory.ts";
import { evidenceBegin, verifyEvidenceFile } from "./evidence.ts";
import { proofByteLengthMax, verifyFile } from "./file.ts";
import type { Report } from "./report.ts";
import { sealedFileBegin, verifySealedFile } from "./sealed-file.ts";
import { verifyUrl, type UrlOptions } from "./url.ts";

export type Target = "directory" | "url" | "sealed file" | "evidence" | "file";

export interface TargetOptions extends DirectoryOptions, UrlOptions {
  /** The entry that a proof or receipt is of. */
  readonly entry?: Uint8Array;
}

/** "not_found" where there is nothing; "usage" for what is neither folder nor regular file. */
export async function detectTarget(target: string): Promise<Target> {
  if (/^https?:\/\//i.test(target)) return "url";
  const stats = await fs.stat(target).catch((cause: unknown) => {
    throw new CairnError("not_found", `there is no file or folder ${JSON.stringify(target)}`, {
      cause,
    });
  });
  if (stats.isDirectory()) return "directory";
  if (!stats.isFile()) {
    throw new CairnError("usage", `${target} is neither a folder nor a regular file`);
  }
  const file = await fs.open(target, "r");
  try {
    const begin = Buffer.alloc(evidenceBegin.length);
    await file.read(begin, 0, begin.length, 0);
    const text = begin.toString("latin1");
    if (text.startsWith(sealedFileBegin)) return "sealed file";
    return text === evidenceBegin ? "evidence" : "file";
  } finally {
    await file.close();
  }
}

/** Verifies a folder, an address or a file. */
export async function verifyTarget(target: string, options: TargetOptions = {}): Promise<Report> {
  const kind = await detectTarget(target);
  if (kind === "url") return verifyUrl(target, options);
  if (kind === "directory") return verifyDirectory(target, options);
  const { size } = await fs.stat(target);
  if (kind === "sealed file") return verifySealedFile(target, size, options);
  const isEvidence = kind === "evidence";
  const byteLengthMax = isEvidence ? evidenceBytesMax : proofByteLengthMax;
  if (size > byteLengthMax) {
    throw new CairnError(
      "malformed",
      isEvidence
        ? `${target} has ${size} bytes: an evidence file has at most ${byteLengthMax}`
        : `${target} is too large for a proof, receipt or checkpoint, and does not begin as a sealed file or as evidence`,
    );
  }
  if (isEvidence) {
    return verifyEvidenceFile(await fs.readFile(target), { ...options, name: target });
  }
  return verifyFile(await fs.readFile(target), { ...options, name: target });
}
