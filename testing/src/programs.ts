/** Programs of others that some tests need: where they are, and that nobody misses their absence. */
import { accessSync, constants } from "node:fs";

/** The first of `paths` that can be run. */
export function findProgram(paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Why tests that need a program cannot run, for the `skip` of a test; false if it was found. With CI=true it must be
 * there, because nobody reads what was skipped. `what` says how to get it, and `tests` what is not tested without.
 */
export function missingProgram(
  path: string | undefined,
  what: string,
  tests: string,
): string | false {
  if (path !== undefined) return false;
  if (process.env.CI === "true") throw new Error(`${what}; with CI=true that is a failure`);
  process.stderr.write(`\n*** ${what}: ${tests} are skipped. ***\n\n`);
  return what;
}
