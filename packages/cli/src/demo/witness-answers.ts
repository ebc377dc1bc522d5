/** What the witnesses say to an attacker who asks them and to a log that starts, and what is kept of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { formatAddCheckpoint, type AddCheckpointRequest } from "@cairnlog/core";
import { NotNoticed, refusalOf, type Act } from "./scene.ts";
import type { Site } from "./site.ts";
import type { Stage } from "./stage.ts";

/** The first witness's refusal to cosign; it must not do so. */
export async function askToCosign(stage: Stage, request: AddCheckpointRequest): Promise<string> {
  const response = await fetch(`${stage.witnesses[0]!.url}/add-checkpoint`, {
    method: "POST",
    body: formatAddCheckpoint(request),
  });
  const answer = (await response.text()).trim();
  if (response.ok) throw new NotNoticed("the witness cosigned it");
  return `${response.status} ${answer}`;
}

/** The log as its operator has set it up does not start, and keeps what the witness said. */
export async function refusesToStart(act: Act, stage: Stage, site: Site): Promise<void> {
  await act.finds("the log's own start, which asks the witnesses", async () => {
    const { message } = await refusalOf(site.start(), "tampered");
    await site.stop();
    return message.replace(/\. Keep the log's folder.*$/s, ".");
  });
  const folder = join(site.logFolder, "evidence");
  const [name] = readdirSync(folder);
  if (name === undefined) throw new NotNoticed("no evidence was kept");
  const kept = JSON.parse(readFileSync(join(folder, name), "utf8")) as Record<string, unknown>;
  const { witness, claim, ourSize, status } = kept;
  const excerpt = [JSON.stringify({ witness, claim, ourSize, status })];
  await act.leaves(stage.shown(join(folder, name)), excerpt);
}

/** The first witness has both signatures. */
export async function leavesSplit(act: Act, stage: Stage, origin: string): Promise<void> {
  const evidence = stage.evidenceAgainst(origin).find(({ kind }) => kind === "split");
  if (evidence === undefined) throw new NotNoticed("the witness kept no proof of the split");
  const { size, held, note } = evidence;
  await act.leaves(`${stage.shown(stage.witnesses[0]!.folder)}/witness.db`, [
    `split: two roots of ${size} entries, both under the log's own key`,
    ...[held, note].map((each) => `root ${String(each.split("\n")[2])}`),
  ]);
}
