/** Checks a whole log, a log over HTTP, or a proof, receipt, checkpoint or sealed file, alone. */
export { verifyDirectory, type DirectoryOptions, type Progress } from "./directory.ts";
export type { Finding, FindingCode, KeyReport, Report, TargetKind, Verdict } from "./report.ts";
