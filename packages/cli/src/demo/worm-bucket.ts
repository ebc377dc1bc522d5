/** Scene 9: write-once copies are deleted from their bucket. Needs a bucket; without one it is told, and says so. */
import type { Scene } from "./scene.ts";

export const deleteCopies: Scene = {
  title: "Delete the write-once copies from their bucket",
  async play(act) {
    await act.attack("told");
  },
};
