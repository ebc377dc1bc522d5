/** What several packages' tests share. Never part of what is published. */
export { missingChromium, startChromium, type Browser, type BrowserPage } from "./chromium.ts";
export { FakeS3, type FakeVersion, type FakeS3Options, type S3Lie } from "./fake-s3.ts";
export {
  missingKeycloak,
  startKeycloak,
  type Keycloak,
  type KeycloakAnswer,
  type KeycloakOptions,
} from "./keycloak.ts";
export { ManualClock } from "./manual-clock.ts";
export {
  missingPostgres,
  startPostgres,
  type Postgres,
  type PostgresConnection,
  type PostgresOptions,
} from "./postgres.ts";
export { findProgram, missingProgram } from "./programs.ts";
export { missingSeaweed, startSeaweed, type Seaweed } from "./seaweed.ts";
export { SeededRandom, withSeed } from "./seeded.ts";
export {
  SimulatedDisk,
  type DiskOperation,
  type Fault,
  type FaultPlan,
  type SimulatedDiskOptions,
} from "./simulated-disk.ts";
export { describeStore } from "./store-conformance.ts";
export type { MakeStore } from "./store-conformance-kit.ts";
