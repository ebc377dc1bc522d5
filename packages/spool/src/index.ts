/** The SDK's memory on disk: events that outlive the app and the network. */
export { openSpool, type SpoolOptions } from "./open-spool.ts";
