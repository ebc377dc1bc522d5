/** Pure adapters: what other systems send, as events. */
export type {
  Adapter,
  Answer,
  Captured,
  CapturedBlob,
  CapturedEvent,
  Delivery,
  ErrorForSender,
  KnownKind,
  Paste,
  Question,
  Setup,
  SourceSettings,
} from "./adapter.ts";
export { adapters, findAdapter } from "./adapters.ts";
export { notAuthenticated } from "./authentication.ts";
export {
  asDetails,
  renderCaptured,
  withOriginal,
  type HexDigest,
  type RenderedEvent,
} from "./captured-event.ts";
export {
  at,
  isObject,
  parseForeignJson,
  parseForeignText,
  textAt,
  wellFormed,
  type ForeignJson,
  type Json,
} from "./foreign-json.ts";
export { eventOfRecord } from "./json.ts";
export { parseMapping, type Mapping } from "./mapping.ts";
