/** The pure heart: no file, no network, no clock, no randomness, no environment. Each arrives as an argument. */
export {
  CairnError,
  assert,
  errorTable,
  isCairnError,
  type CairnErrorCode,
  type CairnErrorOptions,
  type ErrorMeaning,
  type ErrorPlace,
  type ExitStatus,
} from "./errors.ts";
export { hashByteLength, isSameBytes, type Hash, type Sha256 } from "./hash.ts";
export {
  base64,
  hex,
  parseBase64,
  parseDecimal,
  parseHex,
  parseUtf8,
  utf8,
  writeBase64,
} from "./encoding.ts";
export { keySizes, type Crypto, type KeyAlgorithm, type Signer } from "./crypto.ts";
export {
  countHashes,
  emptyRoot,
  hashChildren,
  hashLeaf,
  rangeRoot,
  rootOfPeaks,
  subtreeLeavesMax,
  subtreeLevels,
  type NodeReader,
  type TreeNode,
} from "./merkle.ts";
export {
  checkTreeSize,
  completeNodes,
  consistencyProofLength,
  consistencyProofNodes,
  inclusionProofLength,
  inclusionProofNodes,
  isPowerOfTwo,
  largestPowerOfTwoBelow,
} from "./tree-shape.ts";
export { RightEdge } from "./right-edge.ts";
export { plainJsonText } from "./json-text.ts";
export { SegmentTree } from "./segment-tree.ts";
export { TreeAt } from "./tree-at.ts";
export {
  consistencyProof,
  inclusionProof,
  rootFromInclusionProof,
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
  type InclusionPath,
} from "./proof.ts";
export {
  hashOfTile,
  nodeFromTile,
  parseEntryBundle,
  parseTilePath,
  tileHeight,
  tileOfNode,
  tilePath,
  tilesForSize,
  tileWidth,
  tileWidthMax,
  type EntryRange,
  type Tile,
  type TileName,
  type TileSlice,
} from "./tile.ts";
export {
  algorithmOf,
  fingerprint,
  formatKeyId,
  formatVkey,
  isKeyName,
  keyId,
  makeVkey,
  parseVkey,
  signatureTypes,
  type SignatureType,
  type Vkey,
  type VkeyParts,
} from "./vkey.ts";
export {
  formatNote,
  noteBytesMax,
  noteSignaturesMax,
  noteSigner,
  parseNote,
  signNote,
  verifyNote,
  type Note,
  type NoteSignature,
  type NoteSigner,
  type VerifiedSignature,
} from "./note.ts";
export {
  checkpointCosignatureMessage,
  formatTimestampedSignature,
  parseTimestampedSignature,
  subtreeMessage,
  type Subtree,
  type TimestampedSignature,
} from "./cosignature.ts";
export {
  checkOrigin,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
  verifyCheckpointSignatures,
  type Checkpoint,
  type CheckpointOptions,
  type ParsedCheckpoint,
  type VerifiedCheckpoint,
} from "./checkpoint.ts";
export {
  formatSeal,
  parseSeal,
  signSeal,
  verifySeal,
  type Seal,
  type VerifiedSeal,
} from "./seal.ts";
export {
  formatTlogProof,
  parseTlogProof,
  tlogProofBytesMax,
  verifyTlogProof,
  type TlogProof,
  type TlogProofExpectation,
} from "./tlog-proof.ts";
export {
  formatReceipt,
  parseReceipt,
  receiptFromJson,
  verifyReceipt,
  type Receipt,
  type ReceiptExpectation,
} from "./receipt.ts";
export {
  eventByteLengthMax,
  eventFields,
  EventScanner,
  jsonDepthMax,
  jsonKinds,
  type EventField,
} from "./json.ts";
export { compactEvent } from "./json-compact.ts";
export {
  checkEvent,
  eventLimits,
  idRange,
  type CairnEvent,
  type CheckEventOptions,
} from "./event.ts";
export {
  genesisPrev,
  headByteLengthMax,
  isSource,
  saltByteLength,
  sourceLengthMax,
  type EntryHead,
} from "./entry-head.ts";
export {
  entryByteLengthMax,
  hashFramedEntry,
  leafHash,
  parseEntry,
  parseEntryHead,
  restoreEntry,
  stripEntry,
  writeEntry,
  type Entry,
} from "./entry.ts";
export { EntryRenderer } from "./entry-renderer.ts";
export { findLogTime, formatLogTime, logTimeLength, parseLogTime } from "./time.ts";
