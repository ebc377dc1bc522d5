/** The `cairn` command. */
export { run, version } from "./main.ts";
export type { Exit, Io } from "./io.ts";
export { defaultOrigin } from "./data-folder.ts";
export { FolderRegistry } from "./folder-registry.ts";
export { runDemoData, type DemoDataIo } from "./demo-data/run-demo-data.ts";
