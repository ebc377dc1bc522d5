/** How often each scene is played, and by whose clock. Weights are of scenes; some have one event, some fifteen. */
import { alertScenes } from "./alerts.ts";
import { customerActivity, staffActivity } from "./calendar.ts";
import { callScenes } from "./calls.ts";
import { changeScenes } from "./changes.ts";
import { credentialScenes } from "./credentials.ts";
import { deliveryScenes } from "./deliveries.ts";
import { handScenes } from "./hand-queries.ts";
import type { Happening } from "./happening.ts";
import { identityScenes } from "./sign-ins.ts";
import type { Scene, World } from "./world.ts";

/** Staff works in office hours, customers come when they like, machines and attackers never sleep. */
type Pace = "staff" | "customers" | "always" | "night";

export const plan: readonly {
  readonly scene: Scene;
  readonly pace: Pace;
  readonly weight: number;
}[] = [
  { scene: callScenes.customerVisit, pace: "customers", weight: 26 },
  { scene: callScenes.partnerSync, pace: "always", weight: 3 },
  { scene: callScenes.crawler, pace: "always", weight: 4 },
  { scene: callScenes.deskWork, pace: "staff", weight: 34 },
  { scene: callScenes.cronJob, pace: "always", weight: 3 },
  { scene: callScenes.healthCheck, pace: "always", weight: 3 },
  { scene: handScenes.handQuery, pace: "staff", weight: 3.5 },
  { scene: handScenes.mistake, pace: "staff", weight: 0.7 },
  { scene: identityScenes.customerLogin, pace: "customers", weight: 14 },
  { scene: identityScenes.machineToken, pace: "always", weight: 10 },
  { scene: identityScenes.signOut, pace: "staff", weight: 6 },
  { scene: identityScenes.passwordReset, pace: "staff", weight: 1.2 },
  { scene: identityScenes.membership, pace: "staff", weight: 1 },
  { scene: credentialScenes.newTelephone, pace: "staff", weight: 0.5 },
  { scene: credentialScenes.ownToken, pace: "staff", weight: 0.8 },
  { scene: identityScenes.stuffing, pace: "always", weight: 0.4 },
  { scene: deliveryScenes.delivery, pace: "staff", weight: 6 },
  { scene: deliveryScenes.reviewRule, pace: "staff", weight: 0.35 },
  { scene: deliveryScenes.codeTool, pace: "always", weight: 2 },
  { scene: deliveryScenes.hotfix, pace: "night", weight: 0.15 },
  { scene: deliveryScenes.nightly, pace: "night", weight: 1.5 },
  { scene: changeScenes.setting, pace: "staff", weight: 3 },
  { scene: changeScenes.access, pace: "always", weight: 2 },
  { scene: changeScenes.infrastructure, pace: "staff", weight: 1.5 },
  { scene: changeScenes.packageUpdate, pace: "always", weight: 2.5 },
  { scene: changeScenes.secretRotation, pace: "night", weight: 1.2 },
  { scene: alertScenes.firewall, pace: "always", weight: 3 },
  { scene: alertScenes.mailLink, pace: "staff", weight: 1.5 },
  { scene: alertScenes.endpoint, pace: "staff", weight: 1.2 },
  { scene: alertScenes.scan, pace: "always", weight: 0.8 },
  { scene: alertScenes.travel, pace: "staff", weight: 0.6 },
];

export interface SceneWeights {
  /** In the order of the plan. */
  readonly scenes: readonly number[];
  /** How much happens at this time, all together. */
  readonly total: number;
}

export function sceneWeights(timeMs: number): SceneWeights {
  const [staff, customers] = [staffActivity(timeMs), customerActivity(timeMs)];
  const paces = { staff, customers, always: 0.35, night: staff < 0.1 ? 1 : 0 };
  const scenes = plan.map(({ pace, weight }) => weight * paces[pace]);
  return { scenes, total: scenes.reduce((sum, weight) => sum + weight, 0) };
}

/** Where only one more event has room. */
export function filler(world: World, atMs: number): Happening {
  const [event] = identityScenes.customerLogin(world, atMs);
  return event!;
}
