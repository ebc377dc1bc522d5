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
export {
  asciicastMediaType,
  formatCastEvent,
  formatCastHeader,
  parseCast,
  type CastEvent,
  type CastHeader,
} from "./asciicast.ts";
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
export { eventFrom, fitted, given, type ActorDraft, type Workflow } from "./event-fields.ts";
export { eventOfRecord } from "./json.ts";
export { transactionStepOf, type AuditFields, type TransactionStep } from "./pgaudit-audit.ts";
export {
  postgresLogEvent,
  readPostgresLogLine,
  transactionId,
  type PostgresLogLine,
  type TransactionEnd,
} from "./pgaudit-line.ts";
export { parseMapping, type Mapping } from "./mapping.ts";
export { captureSyslog, syslogType, type SyslogArrival } from "./syslog-event.ts";
export { parseZone, utc, type Zone } from "./syslog-time.ts";
