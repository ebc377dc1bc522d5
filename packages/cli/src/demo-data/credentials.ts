/** New telephones and new tokens: how people's means to sign in come and go. */
import { minuteMs } from "./calendar.ts";
import type { Happening } from "./happening.ts";
import { personActor } from "./people.ts";
import { mfa, signIn } from "./sign-ins.ts";
import { atDesk, type Scene } from "./world.ts";

const telephones = ["Pixel 9", "iPhone 17", "Pixel 8a", "Galaxy S25", "Fairphone 6"];

/** The new telephone is enrolled, the old one goes a little later. */
const newTelephone: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs);
  const out: Happening[] = [];
  const nowMs = signIn(world, person, atMs, out);
  const actor = personActor(person);
  const account = { type: "account", id: person.id };
  const device = random.pick(telephones);
  const base = { source: "idp", actor, outcome: "success" } as const;
  out.push(mfa(person, actor, nowMs, "success", { reason: "step_up" }));
  out.push({
    ...base,
    timeMs: nowMs + random.skewed(30_000),
    type: "identity.mfa_enrolled",
    action: "user.mfa.factor.activate",
    targets: [{ type: "factor", id: `totp:${device}` }, account],
    details: { device },
  });
  if (random.chance(0.5)) return out;
  out.push({
    ...base,
    timeMs: nowMs + random.skewed(9 * minuteMs),
    type: "identity.mfa_removed",
    action: "user.mfa.factor.deactivate",
    targets: [{ type: "factor", id: `totp:${random.pick(telephones)}` }, account],
  });
  return out;
};

const names = ["laptop", "glab-cli", "vscode", "release-notes", "backup-cli", "metrics"];

const ownToken: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs, "backend", "frontend", "platform", "data");
  const out: Happening[] = [];
  const timeMs = signIn(world, person, atMs, out);
  const isNew = random.chance(0.6);
  const scopes = random.pick([
    ["read_api"],
    ["read_repository"],
    ["api"],
    ["api", "write_repository"],
  ]);
  out.push({
    timeMs,
    source: "gitlab",
    actor: personActor(person),
    outcome: "success",
    type: isNew ? "identity.token_created" : "identity.token_revoked",
    action: isNew ? "personal_access_token.create" : "personal_access_token.revoke",
    targets: [{ type: "access_token", id: `glpat-${random.hex(4)}` }],
    details: isNew
      ? { name: random.pick(names), scopes, expiresIn: random.pick(["30d", "90d", "365d"]) }
      : { name: random.pick(names) },
  });
  return out;
};

export const credentialScenes = { newTelephone, ownToken };
