/** Programs that npm does not bring. Where one is missing the tests that need it are skipped, loudly. */
import { spawnSync } from "node:child_process";

/**
 * Why the tests that need `tool` cannot run, for the `skip` of a test; false if they can. With CI=true a tool that is
 * required there must be there, because nobody reads what was skipped.
 */
export function missingTool(
  tool: string,
  versionArgs: readonly string[],
  inCi: "required" | "optional",
): string | false {
  const { error, status } = spawnSync(tool, versionArgs, { stdio: "ignore" });
  if (error === undefined && status === 0) return false;
  const message = `${tool} is not installed`;
  if (inCi === "required" && process.env.CI === "true")
    throw new Error(`${message}; with CI=true that is a failure`);
  process.stderr.write(`\n*** ${message}: its tests are skipped. ***\n\n`);
  return message;
}
