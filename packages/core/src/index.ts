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
export { HostCheck } from "./host-check.ts";
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
  multiProof,
  multiProofLength,
  multiProofNodes,
  multiProofRanges,
  rootFromMultiProof,
  verifyMultiProof,
  type MultiProofClaim,
  type MultiProofPath,
} from "./multi-proof.ts";
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
export { cosignCheckpoint, cosigner } from "./cosign.ts";
export {
  formatPolicy,
  isQuorum,
  noQuorum,
  parsePolicy,
  policyBytesMax,
  policyOfKeys,
  withLogKeys,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
} from "./policy.ts";
export {
  checkQuorum,
  clockSkewSecondsMax,
  verifyWitnessedCheckpoint,
  verifyWitnessedProof,
  type WitnessCosignature,
  type WitnessedCheckpoint,
  type WitnessedOptions,
} from "./witnessed-checkpoint.ts";
export {
  addCheckpointBytesMax,
  consistencyProofLinesMax,
  formatAddCheckpoint,
  formatCosignatureLines,
  formatTreeSizeBody,
  parseAddCheckpoint,
  parseCosignatureLines,
  parseTreeSizeBody,
  treeSizeMediaType,
  verifyCosignatures,
  type AddCheckpointRequest,
  type ParsedAddCheckpoint,
  type VerifiedCosignatures,
} from "./add-checkpoint.ts";
export {
  formatSignSubtree,
  isSubtree,
  parseSignSubtree,
  type ParsedSignSubtree,
  type SignSubtreeRequest,
} from "./sign-subtree.ts";
export {
  admitCheckpoint,
  decideAddCheckpoint,
  decideAdmitted,
  type Admitted,
  type NotAdmitted,
  type WitnessDecision,
  type WitnessRefusal,
  type WitnessState,
} from "./witness-decision.ts";
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
  blobsOf,
  checkEvent,
  eventLimits,
  idRange,
  sequenceOf,
  type CairnEvent,
  type CheckEventOptions,
} from "./event.ts";
export {
  namedBlobsMax,
  parseBlobs,
  parseSequence,
  type NamedBlob,
  type Sequence,
} from "./event-parts.ts";
export { PlainSequence } from "./plain-sequence.ts";
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
  hashFramedEntryInto,
  leafHash,
  parseEntry,
  parseEntryHead,
  restoreEntry,
  stripEntry,
  writeEntry,
  type Entry,
} from "./entry.ts";
export { EntryRenderer } from "./entry-renderer.ts";
export {
  evidenceEntriesMax,
  evidenceHeaderBytesMax,
  formatEvidenceHeader,
  isSameExport,
  parseEvidenceHeader,
  type EvidenceExport,
  type EvidenceHeader,
  type EvidenceQuery,
  type EvidenceQueryValue,
} from "./evidence-header.ts";
export {
  evidenceBytesMax,
  evidencePieces,
  formatEvidence,
  makeEvidence,
  parseEvidence,
  type Evidence,
  type EvidenceFront,
  type EvidenceParts,
  type ParsedEvidence,
} from "./evidence.ts";
export {
  exportEventType,
  verifyEvidence,
  type EvidenceOptions,
  type EvidenceSigner,
  type EvidenceVerdict,
} from "./verify-evidence.ts";
export {
  findLogTime,
  formatLogTime,
  isSourceTime,
  logTimeLength,
  parseLogTime,
  sourceTimeMs,
} from "./time.ts";
