/**
 * Serves a mirror's copy over the C2SP tile API, to anybody who may reach it: a mirror is for those who do not want to
 * ask the log itself.
 *
 * It vouches for nothing with a key of its own: what it serves is what the log signed, and readers check that.
 */
import { isCairnError, parseTilePath, utf8 } from "@cairnlog/core";
import type { FollowState } from "./follow-state.ts";
import type { MirrorFiles } from "./mirror-files.ts";
import { createReadingServer, shownText } from "./reading-server.ts";
import type { ReadingServer, ReadingServerOptions, Shown } from "./reading-server.ts";
import type { WatchStatus } from "./watch.ts";

export interface MirrorServerOptions extends Omit<ReadingServerOptions, "show"> {
  readonly files: MirrorFiles;
  readonly state: () => FollowState;
  readonly status: () => WatchStatus;
}

/** The tiles lie under the address that `listen` resolves with. */
export function createMirrorServer(options: MirrorServerOptions): ReadingServer {
  return createReadingServer({ ...options, show: (path) => show(options, path) });
}

async function show(
  { files, state, status }: MirrorServerOptions,
  path: string,
): Promise<Shown | undefined> {
  // Who asks has shown no key: what is wrong is for the alarms and the metrics to say.
  if (path === "healthz") return isWell(status()) ? shownText(200, "ok") : shownText(503, "not ok");
  if (path === "checkpoint") {
    const { note } = state();
    if (note === undefined) return undefined;
    const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache" };
    return { status: 200, body: utf8(note), headers };
  }
  if (!path.startsWith("tile/")) return undefined;
  try {
    const body = await files.tile(parseTilePath(path));
    if (body === undefined) return undefined;
    const headers = {
      "content-type": "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
    };
    return { status: 200, body, headers };
  } catch (error) {
    if (isCairnError(error, "malformed")) return undefined;
    throw error;
  }
}

function isWell({ alarms }: WatchStatus): boolean {
  return alarms.length === 0;
}
