/** Sixty invented people: who they are, where they work, and from which addresses and devices. */
import { domain } from "./company.ts";
import type { Actor } from "./happening.ts";
import type { Random } from "./random.ts";

export interface Office {
  readonly city: string;
  /** From UTC, all year round: nobody in this story changes their clocks. */
  readonly offsetMinutes: number;
  /** What the world sees of everybody who is in the office. */
  readonly ip: string;
  readonly country: string;
  readonly share: number;
}

export const offices: readonly Office[] = [
  { city: "Hamburg", offsetMinutes: 60, ip: "192.0.2.10", country: "DE", share: 0.55 },
  { city: "Leeds", offsetMinutes: 0, ip: "192.0.2.74", country: "GB", share: 0.2 },
  { city: "Pune", offsetMinutes: 330, ip: "192.0.2.138", country: "IN", share: 0.15 },
  { city: "Halifax", offsetMinutes: -240, ip: "192.0.2.202", country: "CA", share: 0.1 },
];

export type Team = (typeof teams)[number][0];
/** Team and how many are in it: sixty together. */
const teams = [
  ["platform", 8],
  ["backend", 16],
  ["frontend", 6],
  ["data", 5],
  ["support", 12],
  ["finance", 5],
  ["security", 4],
  ["people", 2],
  ["management", 2],
] as const;

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly team: Team;
  readonly office: Office;
  readonly homeIp: string;
  readonly userAgent: string;
  readonly device: string;
  /** How people confirm a sign-in: most have an app that asks them, some a key to touch. */
  readonly factor: "push" | "webauthn";
  /** The session that the person works in; it changes as the story goes on. */
  session: Session | undefined;
}

export interface Session {
  readonly id: string;
  readonly ip: string;
  readonly beganMs: number;
  lastMs: number;
}

const firstNames =
  "Aino Amara Anselm Asha Bastian Brigid Callum Chidi Clara Dagny Deepa Edda Elif Emeka Enno Farah Fiete Gesa Greta Hanno Hedda Idris Ilse Imani Ines Jaro Jonna Kaia Kavya Keir Lasse Leonie Levke Maeve Malte Mira Nadim Neele Nikhil Nora Okka Oskar Padma Piet Priya Rasmus Rohan Ruth Sanna Silke Sunil Tamsin Thora Tilda Tomke Uma Veit Wanja Yara Zeynep".split(
    " ",
  );
const lastNames =
  "Achterberg Adeyemi Ahlers Barlow Behrens Bose Brodersen Carrick Chavan Dietz Dunmore Ekwueme Ellerbrock Fairley Fenn Gadgil Greve Hallam Harms Iversen Jansky Joshi Kettler Khatri Lorenzen Lund Mackay Mehra Moorcroft Nissen Odell Okafor Petersen Pike Quist Rahman Rickmers Sathe Schlueter Storm Tanner Thormann Uhl Vance Vogt Wadia Westphal Wulf Yilmaz Zander".split(
    " ",
  );

const browsers = [
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
];

export function makePeople(random: Random): readonly Person[] {
  const left = [...firstNames];
  const people: Person[] = [];
  for (const [team, size] of teams) {
    for (let i = 0; i < size; i++) {
      const first = left.splice(random.below(left.length), 1)[0]!;
      people.push(makePerson(first, random.pick(lastNames), team, people.length, random));
    }
  }
  return people;
}

function makePerson(
  first: string,
  last: string,
  team: Team,
  index: number,
  random: Random,
): Person {
  const shares = offices.map(({ share }) => share);
  return {
    id: `${first}.${last}@${domain}`.toLowerCase(),
    name: `${first} ${last}`,
    team,
    // Those who guard and run things are spread over the zones least.
    office: team === "security" ? offices[0]! : offices[random.weighted(shares, 1)]!,
    homeIp: `198.51.100.${index * 4 + 1 + random.below(3)}`,
    userAgent: random.pick(browsers),
    device: `NVP-${random.pick(["LT", "MB", "WS"])}-${1000 + index * 7 + random.below(7)}`,
    factor: random.chance(0.7) ? "push" : "webauthn",
    session: undefined,
  };
}

/** A person as the sources name one. */
export function personActor(person: Person): Actor {
  const { id, name, userAgent, session } = person;
  return {
    id,
    type: "user",
    name,
    ...(session === undefined ? {} : { ip: session.ip, session: session.id }),
    userAgent,
  };
}
