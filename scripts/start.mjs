/**
 * `npm start`, the first minute: installs what is missing, then goes on as `first-minute.ts` under the project's own
 * Node. That runs the TypeScript sources as they are (it strips the types), so there is nothing to build first.
 */
import { ensureInstalled } from "./ensure-installed.mjs";
import { become } from "./run-child.mjs";

become(ensureInstalled(), ["scripts/first-minute.ts", ...process.argv.slice(2)]);
