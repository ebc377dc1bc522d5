/** `cairn demo attack`: a tour of what an attacker might do to a log, and of who notices it. */
import { CairnError } from "@cairnlog/core";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import type { Happening, Scene, SceneResult } from "../demo/scene.ts";
import type { Stage } from "../demo/stage.ts";
import type { Exit } from "../io.ts";
import { asciiJson } from "../safe-text.ts";
import { bucketOptions } from "../worm-copies.ts";

/** To read what the attacker is about to do, what was noticed, and a whole scene. */
const attackPauseMs = 2500;
const observationPauseMs = 900;
const scenePauseMs = 6000;

export const demoAttackCommand: CommandSpec = {
  name: "demo attack",
  summary: "watch a log being attacked, and what notices it",
  description:
    "Makes a throw-away log with witnesses, a monitor and an application on loopback, and does to it what an administrator with root and the log's real keys might do. " +
    "Each scene shows who notices, how fast (measured while you watch), what evidence is left, and what nobody notices. " +
    "On a terminal any key goes on, and q ends; everything is removed at the end. Exit status: 0 if all was noticed that should be, 1 if not.",
  settings: ["worm", "s3Endpoint", "s3Region", "s3PathStyle"],
  options: [
    { flags: "--scene <number>", about: "only this scene; may be repeated", isList: true },
    { flags: "--fast", about: "without pauses" },
    { flags: "--keep", about: "keep the folder with the attacked logs and the evidence" },
  ],
  examples: [
    { line: "cairn demo attack", about: "all scenes, some three minutes" },
    {
      line: "cairn demo attack --scene 3 --keep",
      about: "one of them, with its evidence to look at",
    },
    {
      line: "cairn demo attack --worm s3://example-audit/demo",
      about: "with a bucket under Object Lock: its copies stay locked for ten minutes",
    },
    { line: "cairn demo attack --json", about: "one line a scene, for machines" },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, output, options } = context;
  // Loaded only here: it needs nearly everything.
  const { scenes } = await import("../demo/scenes.ts");
  const { Stage: OpenStage } = await import("../demo/stage.ts");
  const { Pace } = await import("../demo/pace.ts");
  const chosen = chooseScenes(options.list("scene"), scenes.length);
  const stage = await OpenStage.open(stageOptions(context));
  const pace = new Pace(io, options.has("fast") || output.isJson);
  const isKept = options.has("keep");
  let results: readonly SceneResult[] | undefined;
  try {
    results = await tour(context, stage, pace, scenes, chosen);
  } catch (error) {
    if (!pace.signal.aborted) throw error;
    output.note("The tour was ended.");
  } finally {
    pace.end();
    await stage.close(isKept);
    if (isKept) output.note(`Everything is in ${stage.folder}`);
  }
  if (results === undefined) return 3;
  return results.every(({ ok }) => ok) ? 0 : 1;
}

interface Pacing {
  readonly signal: AbortSignal;
  readonly hasKeys: boolean;
  pause(ms: number): Promise<void>;
}

async function tour(
  { io, output, options }: CommandContext,
  stage: Stage,
  pace: Pacing,
  scenes: readonly Scene[],
  chosen: readonly number[],
): Promise<SceneResult[]> {
  const { playScene } = await import("../demo/play.ts");
  const { Show } = await import("../demo/show.ts");
  const { columns } = io.stdout as { readonly columns?: number };
  const show = new Show(output, columns, scenes.length);
  const signal = AbortSignal.any([pace.signal, output.closed]);
  if (!output.isJson) await show.opening();
  if (pace.hasKeys) output.note("Any key goes on, q ends.\n");
  const onHappening = async (happening: Happening): Promise<void> => {
    if (output.isJson) return;
    await show.happening(happening);
    if (happening.kind === "attack") await pace.pause(attackPauseMs);
    if (happening.kind === "observation") await pace.pause(observationPauseMs);
  };
  const kept = options.has("keep") ? { folder: stage.folder } : {};
  const results: SceneResult[] = [];
  for (const [i, number] of chosen.entries()) {
    const scene = scenes[number - 1]!;
    if (!output.isJson) await show.title(number, scene.title);
    const result = await playScene(scene, number, stage, { signal, onHappening });
    results.push(result);
    if (output.isJson) await output.line(asciiJson({ ...asJson(result), ...kept }));
    else await output.line("");
    if (i < chosen.length - 1) await pace.pause(scenePauseMs);
  }
  if (!output.isJson) await show.closing(results);
  return results;
}

function chooseScenes(given: readonly string[], count: number): readonly number[] {
  if (given.length === 0) return Array.from({ length: count }, (_, i) => i + 1);
  return given.map((text) => {
    const number = parseCount(text, "--scene");
    if (number >= 1 && number <= count) return number;
    throw new CairnError("usage", `--scene: there are scenes 1 to ${count}, not ${number}`);
  });
}

/** A bucket that the configuration names is somebody's own: only one from the command line is attacked. */
function stageOptions({ config: { values, origins } }: CommandContext) {
  const { worm } = values;
  if (worm === undefined || origins.get("worm")?.level !== "flag") return {};
  return { bucket: { place: worm, s3: bucketOptions(values) } };
}

function asJson({ scene, title, ok, happenings }: SceneResult): object {
  const of = <K extends Happening["kind"]>(kind: K) =>
    happenings.filter((each): each is Extract<Happening, { kind: K }> => each.kind === kind);
  return {
    scene,
    title,
    ok,
    attacks: of("attack").map(({ text }) => text),
    observations: of("observation").map(({ kind: _, ...observation }) => observation),
    evidence: of("evidence").map(({ kind: _, ...evidence }) => evidence),
    limits: of("limit").map(({ text }) => text),
  };
}
