/** Checks a whole log, a log over HTTP, or a proof, receipt, checkpoint or sealed file, alone. */
export { verifyDirectory, type DirectoryOptions, type Progress } from "./directory.ts";
export { verifyFile, type FileOptions } from "./file.ts";
export type { Finding, FindingCode, KeyReport, Report, TargetKind, Verdict } from "./report.ts";
export { verifySealedFile, type SealedFileOptions } from "./sealed-file.ts";
export { detectTarget, verifyTarget, type Target, type TargetOptions } from "./target.ts";
export { verifyUrl, type UrlOptions } from "./url.ts";
