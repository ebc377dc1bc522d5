/**
 * Transactions of the write-ahead log as events: one for each row that was changed, and one that closes them.
 *
 * Only committed transactions come here, whole and in the order of their commits, so all rows are facts. The same
 * transaction always gives the same events with the same ids, however often it is sent: nothing here depends on when,
 * or on the database as it is now.
 *
 * Who it was is in no row. It is told within the transaction, by a message with the prefix `cairn` that the write-ahead
 * log carries with it: `pg_logical_emit_message(true, 'cairn', '{"actor": …, "trace": …}')`, by the SDK, by the
 * application, or by the trigger of `who-sql.ts`. It holds for the rows behind it.
 */
import {
  at,
  eventFrom,
  isObject,
  parseForeignJson,
  textAt,
  wellFormed,
  type ActorDraft,
  type CapturedBlob,
  type CapturedEvent,
  type Json,
} from "@cairnlog/capture";
import { CairnError } from "@cairnlog/core";
import type { Pgoutput } from "pg-logical-replication";
import { parseLsn, showLsn, type Lsn } from "./lsn.ts";
import { changedColumns, rowImage, type RowImage, type Tuple } from "./row-image.ts";

export interface ChangeNames {
  /** What identifies the cluster for ever: `IDENTIFY_SYSTEM`. */
  readonly system: string;
  readonly slot: string;
  /** In targets: `orders-prod`. */
  readonly name: string;
  /** Where nobody said who: the database's `application_name` rather than its user. */
  readonly isActorApplication: boolean;
}

interface OpenTransaction {
  readonly xid: number;
  readonly lsn: Lsn;
  readonly time: string;
  rows: number;
  who: Json | undefined;
  readonly tables: Map<string, number>;
}

type RowMessage = Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete;

const prefix = "cairn";
const tablesMax = 100;

export class ChangeEvents {
  readonly #names: ChangeNames;
  #open: OpenTransaction | undefined;

  constructor(names: ChangeNames) {
    this.#names = names;
  }

  /** Rows so far of the transaction that is being received; undefined between two. */
  get open(): { readonly lsn: Lsn; readonly xid: number; readonly rows: number } | undefined {
    return this.#open;
  }

  /** The events of a message, none for most kinds. Asserts the order that the protocol promises. */
  add(message: Pgoutput.Message): CapturedEvent[] {
    switch (message.tag) {
      case "begin":
        this.#open = begun(message);
        return [];
      case "insert":
      case "update":
      case "delete":
        return [this.#row(this.#current(), message)];
      case "truncate":
        return [this.#truncate(this.#current(), message)];
      case "message":
        this.#hear(message);
        return [];
      case "commit":
        return this.#commit(this.#current(), message);
      default:
        return [];
    }
  }

  #current(): OpenTransaction {
    if (this.#open !== undefined) return this.#open;
    throw new CairnError("malformed", "PostgreSQL sent a change outside of a transaction");
  }

  #hear({ transactional, prefix: said, content }: Pgoutput.MessageMessage): void {
    // Others use the same way for their own ends.
    if (said !== prefix || !transactional || this.#open === undefined) return;
    try {
      this.#open.who = heard(this.#open.who, parseForeignJson(content, "the message").value);
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      this.#open.who = { malformed: wellFormed(new TextDecoder().decode(content)).slice(0, 1000) };
    }
  }

  #row(transaction: OpenTransaction, message: RowMessage): CapturedEvent {
    const { tag, relation } = message;
    const before = message.tag === "insert" ? undefined : (message.old ?? message.key);
    const image = (tuple: Tuple | null | undefined): RowImage | undefined =>
      tuple === null || tuple === undefined ? undefined : rowImage(tuple, relation.columns);
    const [old, now] = [image(before), image(message.tag === "delete" ? undefined : message.new)];
    const isWhole = message.tag === "insert" || message.old !== null;
    const table = `${relation.schema}.${relation.name}`;
    const row = this.#count(transaction, table);
    const key =
      isWhole && relation.replicaIdentity === "full" ? undefined : keyOf(relation, now ?? old);
    const event = eventFrom({
      ...this.#head(transaction, `${row}`),
      type: `database.${tag}`,
      action: tag.toUpperCase(),
      targets: [{ type: "postgres", id: `${this.#names.name}/${table}`, kind: "table", key }],
      details: {
        transaction: transactionOf(transaction),
        row,
        ...(old === undefined ? {} : { [isWhole ? "old" : "oldKey"]: old.values }),
        ...(now === undefined ? {} : { new: now.values }),
        ...(isWhole && old && now ? { changed: changedColumns(old, now) } : {}),
        ...(now !== undefined && now.unchanged.length > 0 ? { unchangedToast: now.unchanged } : {}),
        ...(isWhole ? {} : { missing: missingOld(relation) }),
        ...(transaction.who === undefined ? {} : { who: transaction.who }),
      },
    });
    if (old?.isAltered !== true && now?.isAltered !== true) return { event };
    return {
      event,
      blobs: [originalOf({ old: before, new: message.tag === "delete" ? undefined : message.new })],
    };
  }

  #truncate(transaction: OpenTransaction, message: Pgoutput.MessageTruncate): CapturedEvent {
    const tables = message.relations.map(({ schema, name }) => `${schema}.${name}`);
    const row = ++transaction.rows;
    for (const table of tables) countTable(transaction, table);
    const event = eventFrom({
      ...this.#head(transaction, `${row}`),
      type: "database.truncate",
      action: "TRUNCATE",
      targets: tables.map((table) => ({
        type: "postgres",
        id: `${this.#names.name}/${table}`,
        kind: "table",
      })),
      details: {
        transaction: transactionOf(transaction),
        row,
        tables: tables.map(wellFormed),
        cascade: message.cascade,
        restartIdentity: message.restartIdentity,
        missing: "the rows that were there: TRUNCATE does not write them",
        ...(transaction.who === undefined ? {} : { who: transaction.who }),
      },
    });
    return { event };
  }

  #commit(transaction: OpenTransaction, { commitEndLsn }: Pgoutput.MessageCommit): CapturedEvent[] {
    this.#open = undefined;
    // Nothing of what is published was changed in it.
    if (transaction.rows === 0) return [];
    const tables = [...transaction.tables].slice(0, tablesMax);
    const event = eventFrom({
      ...this.#head(transaction, "end"),
      type: "database.transaction",
      action: "COMMIT",
      targets: tables.map(([table]) => ({
        type: "postgres",
        id: `${this.#names.name}/${table}`,
        kind: "table",
      })),
      details: {
        transaction: { ...transactionOf(transaction), state: "committed" },
        rows: transaction.rows,
        tables: Object.fromEntries(tables.map(([table, rows]) => [wellFormed(table), rows])),
        endLsn: commitEndLsn === null ? undefined : showLsn(parseLsn(commitEndLsn)),
        ...(transaction.who === undefined ? {} : { who: transaction.who }),
      },
    });
    return [{ event }];
  }

  #count(transaction: OpenTransaction, table: string): number {
    countTable(transaction, table);
    return ++transaction.rows;
  }

  #head({ lsn, xid, time, who }: OpenTransaction, part: string) {
    const { system, slot } = this.#names;
    return {
      id: `${system}/${slot}/${showLsn(lsn)}-${xid}/${part}`,
      time,
      actor: this.#actorOf(who),
      outcome: "success" as const,
      trace: textAt(who, "trace"),
    };
  }

  #actorOf(who: Json | undefined): ActorDraft {
    const said = at(who, "actor");
    const application = textAt(who, "application_name");
    const databaseUser = textAt(who, "session_user");
    const rest = { application, databaseUser, ip: addressOf(textAt(who, "client_addr")) };
    if (isObject(said)) {
      const { id, ...members } = said;
      return { ...rest, ...members, id: textAt(said, "id") };
    }
    const name = textAt(who, "actor");
    if (name !== undefined) return { ...rest, id: name };
    const instead = this.#names.isActorApplication ? (application ?? databaseUser) : databaseUser;
    return { ...rest, id: instead, type: instead === undefined ? undefined : "database-user" };
  }
}

function countTable({ tables }: OpenTransaction, table: string): void {
  tables.set(table, (tables.get(table) ?? 0) + 1);
}

/** What is said later replaces what was said before; a null says nothing. So a trigger does not unsay the SDK. */
function heard(before: Json | undefined, said: Json): Json {
  if (!isObject(before) || !isObject(said)) return said;
  const news = Object.entries(said).filter(
    ([name, value]) => value !== null || !Object.hasOwn(before, name),
  );
  return { ...before, ...Object.fromEntries(news) };
}

function begun({ xid, commitLsn, commitTime }: Pgoutput.MessageBegin): OpenTransaction {
  if (commitLsn === null) {
    throw new CairnError("malformed", "PostgreSQL sent a transaction without its position");
  }
  return {
    // The reader gives it a sign.
    xid: xid < 0 ? xid + 2 ** 32 : xid,
    lsn: parseLsn(commitLsn),
    time: String(commitTime),
    rows: 0,
    who: undefined,
    tables: new Map(),
  };
}

function transactionOf({ xid, lsn }: OpenTransaction): Readonly<Record<string, Json>> {
  return { id: `${showLsn(lsn)}-${xid}`, xid, commitLsn: showLsn(lsn) };
}

function missingOld({ replicaIdentity }: Pgoutput.MessageRelation): string {
  return `the row as it was: the table's REPLICA IDENTITY is ${replicaIdentity.toUpperCase()}, only FULL has it`;
}

function keyOf(
  relation: Pgoutput.MessageRelation,
  image: RowImage | undefined,
): string | undefined {
  if (image === undefined || relation.keyColumns.length === 0) return undefined;
  return relation.keyColumns
    .map((name) => `${name}=${textAt(image.values, wellFormed(name)) ?? ""}`)
    .join(",");
}

/** `inet` prints a host with its mask where it was cast by itself. */
function addressOf(text: string | undefined): string | undefined {
  return text?.replace(/\/(?:32|128)$/, "");
}

function originalOf(row: object): CapturedBlob {
  const bytes = new TextEncoder().encode(JSON.stringify(row));
  return { bytes, mediaType: "application/json", role: "original" };
}
