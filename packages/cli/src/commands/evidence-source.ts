/** Where evidence comes from: a log in a data folder, which is opened for it, or a server. */
import { CairnError, evidenceBytesMax, formatLogTime, isCairnError, utf8 } from "@cairnlog/core";
import { exportEvidence, openLog, type EvidenceSelection, type Log } from "@cairnlog/log";
import type { CommandContext } from "../command.ts";
import { openDataFolder } from "../data-folder.ts";
import { progressBar } from "../progress-bar.ts";
import { sendRequest, type ServerTarget } from "../server-request.ts";
import { witnessOptions } from "../witness-settings.ts";

export interface AskedEvidence {
  readonly selection: EvidenceSelection;
  readonly who: string;
  readonly why: string;
}

/** A search through a large log takes minutes. */
const timeoutMs = 3_600_000;

/** "locked", with what to do, where a server or an app holds the log. */
export async function exportFromFolder(
  { io, output, config }: CommandContext,
  folder: string,
  asked: AskedEvidence,
): Promise<Uint8Array> {
  const log = await open(folder, config.values);
  try {
    const showProgress = progressBar(output, () => io.now());
    const { pieces } = await exportEvidence(log, {
      ...asked,
      nowMs: io.now(),
      signal: io.interrupted,
      onScan: (entriesDone, entriesTotal) =>
        showProgress({ target: folder, entriesDone, entriesTotal }),
    });
    return Buffer.concat([...pieces]);
  } finally {
    await log.close();
  }
}

async function open(folder: string, values: CommandContext["config"]["values"]): Promise<Log> {
  const witnesses = witnessOptions(values);
  try {
    const store = openDataFolder(folder);
    return await openLog(store, values.log, witnesses === undefined ? {} : { witnesses });
  } catch (error) {
    if (!isCairnError(error, "locked")) throw error;
    const what = "the export is recorded as an entry, and only the log's writer can do that";
    throw new CairnError(
      "locked",
      `${error.message}; ${what}: ask it with --url and --key-file (or CAIRN_URL and CAIRN_KEY).`,
      { cause: error },
    );
  }
}

export async function exportFromServer(
  { io, output, config }: CommandContext,
  target: ServerTarget,
  { selection, why }: AskedEvidence,
): Promise<Uint8Array> {
  const { seqs, types, actors, sinceMs, untilMs } = selection;
  const body = {
    ...(seqs === undefined ? {} : { seqs: seqs.map(({ from, to }) => `${from}-${to - 1}`) }),
    ...(types === undefined ? {} : { types }),
    ...(actors === undefined ? {} : { actors }),
    ...(sinceMs === undefined ? {} : { since: formatLogTime(sinceMs) }),
    ...(untilMs === undefined ? {} : { until: formatLogTime(untilMs) }),
    why,
  };
  output.progress("waiting for the server");
  const response = await sendRequest(target, {
    method: "POST",
    path: `/v1/logs/${encodeURIComponent(config.values.log)}/evidence`,
    headers: { "content-type": "application/json" },
    body: utf8(JSON.stringify(body)),
    signal: io.interrupted,
    timeoutMs,
  });
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  try {
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      byteLength += piece.length;
      if (byteLength > evidenceBytesMax) {
        throw new CairnError("too_large", `the server sent more than ${evidenceBytesMax} bytes`);
      }
      output.progress(`received ${Math.floor(byteLength / 1024)} KiB`);
    }
  } catch (cause) {
    if (isCairnError(cause)) throw cause;
    throw new CairnError("unavailable", `the answer of ${target.url} broke off`, { cause });
  }
  return Buffer.concat(pieces, byteLength);
}
