/** Finds out what it was given, and verifies that. */
import fs from "node:fs/promises";
import { CairnError, evidenceBytesMax } from "@cairnlog/core";
import { verifyDirectory, type DirectoryOptions } from "./directory.ts";
import { pageBegin, pageByteLengthMax } from "./evidence-page.ts";
import { evidenceBegin, verifyEvidenceFile } from "./evidence.ts";
import { proofByteLengthMax, verifyFile } from "./file.ts";
import type { Report } from "./report.ts";
import { sealedFileBegin, verifySealedFile } from "./sealed-file.ts";
import { verifyUrl, type UrlOptions } from "./url.ts";

export type Target = "directory" | "url" | "sealed file" | "evidence" | "evidence page" | "file";

const byteLengthsMax = {
  file: proofByteLengthMax,
  evidence: evidenceBytesMax,
  "evidence page": pageByteLengthMax,
} as const;

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
    if (text.startsWith(pageBegin)) return "evidence page";
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
  if (size > byteLengthsMax[kind]) {
    throw new CairnError(
      "malformed",
      kind === "file"
        ? `${target} is too large for a proof, receipt or checkpoint, and does not begin as a sealed file or as evidence`
        : `${target} has ${size} bytes: evidence has at most ${byteLengthsMax[kind]}`,
    );
  }
  const bytes = await fs.readFile(target);
  const named = { ...options, name: target };
  if (kind === "file") return verifyFile(bytes, named);
  return verifyEvidenceFile(bytes, { ...named, isPage: kind === "evidence page" });
}
