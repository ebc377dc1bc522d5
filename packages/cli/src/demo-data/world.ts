/** What all scenes of the story share, and the form that each has. */
import type { Happening } from "./happening.ts";
import type { Person, Team } from "./people.ts";
import { offices } from "./people.ts";
import type { Random } from "./random.ts";
import { atWork } from "./calendar.ts";

export interface World {
  readonly random: Random;
  readonly people: readonly Person[];
}

/**
 * Something that happens at a time: the events of it, in whatever order, none of them before that time. It draws from
 * the world's randomness and nothing else, so that the same seed tells the same story.
 */
export type Scene = (world: World, atMs: number) => Happening[];

export function ofTeam({ people, random }: World, ...teams: readonly Team[]): Person {
  return random.pick(people.filter(({ team }) => teams.includes(team)));
}

/** Somebody of these teams (of all, if none is named) who is likely to be at work then. */
export function atDesk(world: World, atMs: number, ...teams: readonly Team[]): Person {
  const { random, people } = world;
  const here = offices.map((office) => atWork(atMs, office));
  let found = random.pick(people);
  // Some draws find somebody in nearly all cases; at night it may well be anybody.
  for (let i = 0; i < 12; i++) {
    const isAsked = teams.length === 0 || teams.includes(found.team);
    if (isAsked && random.chance(here[offices.indexOf(found.office)]!)) return found;
    found = teams.length === 0 ? random.pick(people) : ofTeam(world, ...teams);
  }
  return found;
}
