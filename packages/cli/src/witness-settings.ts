/** From settings to how the logs of a server are witnessed. */
import { readFileSync } from "node:fs";
import { CairnError, parsePolicy, type Policy } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { WitnessOptions } from "@cairnlog/log";
import type { Settings } from "./settings.ts";

/** Undefined where no policy is named: then there are no witnesses, and none that could be required. */
export function witnessOptions(values: Settings): WitnessOptions | undefined {
  const { witnessPolicy, requireWitnesses, startWithoutWitnesses, witnessTimeout } = values;
  if (witnessPolicy === undefined) {
    if (!requireWitnesses && !startWithoutWitnesses) return undefined;
    const flag = requireWitnesses ? "--require-witnesses" : "--start-without-witnesses";
    throw new CairnError(
      "usage",
      `${flag} needs --witness-policy, the file that names the witnesses`,
    );
  }
  return {
    policy: readPolicy(witnessPolicy),
    requireQuorum: requireWitnesses,
    startWithoutQuorum: startWithoutWitnesses,
    timeoutMs: witnessTimeout,
  };
}

function readPolicy(path: string): Policy {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `the witness policy cannot be read: ${why}`, {
      cause,
      place: { path },
    });
  }
  return parsePolicy(nodeCrypto.sha256, bytes);
}
