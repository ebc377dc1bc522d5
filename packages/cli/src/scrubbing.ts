/** The scrubber of `cairn serve`, as the settings have it. */
import { readFileSync } from "node:fs";
import { CairnError } from "@cairnlog/core";
import { parseSecret, Scrubber } from "@cairnlog/scrub";
import type { Settings } from "./settings.ts";

/** Undefined where it was switched off. "usage" where a webhook lacks its secret. */
export function startScrubber(values: Settings, say: (line: string) => void): Scrubber | undefined {
  const webhook = webhookOf(values);
  if (values.scrub === "off") return undefined;
  const scrubber = new Scrubber({
    bytesPerSecond: values.scrubRate,
    say,
    ...(webhook === undefined ? {} : { webhook }),
  });
  scrubber.prepare();
  return scrubber;
}

function webhookOf(values: Settings): { url: string; secret: string } | undefined {
  const { scrub, alarmWebhook, alarmSecret, alarmSecretFile } = values;
  if (alarmWebhook === undefined) return undefined;
  if (scrub === "off") {
    throw new CairnError("usage", "--alarm-webhook needs the scrubber: nothing else raises alarms");
  }
  const secret = alarmSecretFile === undefined ? alarmSecret : readSecret(alarmSecretFile);
  if (secret === undefined) {
    throw new CairnError("usage", "--alarm-webhook needs a secret: give --alarm-secret-file");
  }
  parseSecret(secret);
  return { url: alarmWebhook, secret };
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `the secret of the alarm webhook cannot be read: ${why}`, {
      cause,
      place: { path },
    });
  }
}
