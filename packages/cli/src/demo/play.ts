/** Plays scenes, one after another, each cleaned up before the next. */
import { Act, NotNoticed, type Happening, type Scene, type SceneResult } from "./scene.ts";
import type { Stage } from "./stage.ts";

export interface Audience {
  readonly signal: AbortSignal;
  /** Hears of everything as it happens; the scene waits for it. */
  readonly onHappening: (happening: Happening) => Promise<void>;
}

export async function playScene(
  scene: Scene,
  number: number,
  stage: Stage,
  { signal, onHappening }: Audience,
): Promise<SceneResult> {
  const act = new Act(signal, onHappening);
  try {
    await scene.play(act, stage);
  } catch (error) {
    if (!(error instanceof NotNoticed)) throw error;
    await act.misses("the tour", error.message);
  } finally {
    await act.end();
  }
  const { happenings, ok } = act;
  return { scene: number, title: scene.title, happenings, ok };
}
