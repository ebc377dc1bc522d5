/** The scenes in their order. */
import { deleteHour, rewritePast } from "./cut-and-rewrite.ts";
import { editBytes } from "./edit-bytes.ts";
import { forgeEvidence } from "./forge-evidence.ts";
import { gagLog } from "./gag.ts";
import { restoreSnapshot, rollBackDisk } from "./roll-back.ts";
import type { Scene } from "./scene.ts";
import { splitView } from "./split-view.ts";
import { unnoticed } from "./unnoticed.ts";
import { deleteCopies } from "./worm-bucket.ts";

export const scenes: readonly Scene[] = [
  editBytes,
  deleteHour,
  rewritePast,
  splitView,
  rollBackDisk,
  restoreSnapshot,
  gagLog,
  forgeEvidence,
  deleteCopies,
  unnoticed,
];
