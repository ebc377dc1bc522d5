/** The HTTP face: API, tiles, authentication. */
export {
  apiKeysPath,
  createKey,
  listKeys,
  revokeKey,
  scopes,
  type ApiKey,
  type CreatedApiKey,
  type NewApiKey,
  type Scope,
} from "./api-keys.ts";
export { keyRing, type KeySource, type Principal } from "./key-ring.ts";
export { defaultLimits, type Limits } from "./limits.ts";
export type { LogRegistry, RequestedLog } from "./registry.ts";
export type { Companion, Figure } from "./companion.ts";
export { createServer, type CairnServer, type ServerOptions } from "./server.ts";
export type { FixedPath } from "./sources/fixed-paths.ts";
export {
  isSourceName,
  quotaNames,
  secretsMax,
  type Quota,
  type Source,
} from "./sources/source-file.ts";
export { sourceRing, type SourceRegistry } from "./sources/source-ring.ts";
export {
  addSource,
  changeSource,
  findSource,
  listSources,
  removeSource,
  sourcesPath,
} from "./sources/sources.ts";
