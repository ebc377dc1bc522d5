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
export { base64, hex, parseBase64, parseDecimal, parseHex, parseUtf8, utf8, writeBase64 } from "./encoding.ts";
export { keySizes, type Crypto, type KeyAlgorithm, type Signer } from "./crypto.ts";
