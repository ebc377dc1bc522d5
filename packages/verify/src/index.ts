/** Checks a whole log, a log over HTTP, or a proof, receipt, checkpoint or sealed file, alone. */
export { verifyDirectory, type DirectoryOptions, type Progress } from "./directory.ts";
export { chainBegin, EntryChain, type ChainPosition } from "./entry-chain.ts";
export { verifyEvidenceFile, type EvidenceFileOptions } from "./evidence.ts";
export { Fetcher, type Fetch, type FetcherOptions } from "./fetching.ts";
export { verifyFile, type FileOptions } from "./file.ts";
export type {
  EvidenceReport,
  Finding,
  FindingCode,
  KeyReport,
  Report,
  TargetKind,
  Verdict,
  WitnessReport,
} from "./report.ts";
export { parseGenesis, type Genesis } from "./settings.ts";
export { verifySealedFile, type SealedFileOptions } from "./sealed-file.ts";
export { detectTarget, verifyTarget, type Target, type TargetOptions } from "./target.ts";
export { checkWitnesses, trustedKeys, type TrustOptions } from "./trust.ts";
export { verifyUrl, type UrlOptions } from "./url.ts";
// What a verifier of another kind of place is made of: that of buckets.
export { LogFolder, type FolderListing } from "./folder.ts";
export { identify, type Identity } from "./identity.ts";
export { checkAllSigned, checkPinned, reportKeys } from "./keys.ts";
export { Findings, verdictOf } from "./report.ts";
export { checkStreamFiles } from "./stream-files.ts";
export { checkBlobs, NamedBlobs, type FirstNaming } from "./named-blobs.ts";
export { RootClaims } from "./root-claims.ts";
export { appendSealed, type ChainContext } from "./sealed-chain.ts";
export type { SegmentJob } from "./segment-job.ts";
export { checkSegments } from "./segment-pool.ts";
export { summaryOfLog, summaryOfLogs } from "./summary.ts";
export type { Position } from "./tail.ts";
