/** Middleware and database hooks: an app's requests and queries, as events. */
export {
  actorOfBasic,
  actorOfCertificate,
  actorOfClaims,
  actorOfSession,
  anonymous,
  type Actor,
  type Claims,
} from "./actor.ts";
export { cairnDrizzle, type DrizzleLogger } from "./drizzle.ts";
export { cairnExpress, type ExpressHandler, type ExpressRequest } from "./express.ts";
export { cairnFastify, type FastifyRequestLike } from "./fastify.ts";
export { cairnHono, type HonoContextLike, type HonoHandler } from "./hono.ts";
export { cairnKysely, type KyselyDialect } from "./kysely.ts";
export { cairnPg, type PgClient, type PgOptions, type PgPool } from "./pg.ts";
export { hashedParameters, type QueryOptions, type RecordParameter } from "./query-record.ts";
export type { Recorder } from "./recorder.ts";
export type { MiddlewareOptions } from "./request-options.ts";
export type { Statement } from "./statement.ts";
export { cairnUpgrades, type UpgradeRequest, type UpgradeServer } from "./upgrades.ts";
