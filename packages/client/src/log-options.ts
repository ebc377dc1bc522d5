/** How sure the caller of `log()` wants to be, and what its event must be like. */
import type { Sequence } from "@cairnlog/core";
import type { EventDefinition } from "./define-event.ts";

export interface DurableLogOptions {
  /** Only a receipt of the server will do, and now: past the queue and past the spool. */
  readonly durable: true;
  /** How long it may take. Default: 10,000. */
  readonly timeoutMs?: number;
  /**
   * Whether the entry is fetched to verify that it holds this very event. Default: true where keys
   * are pinned. Needs a key with the scope `read`.
   */
  readonly verify?: boolean;
}

export interface SpooledLogOptions {
  /** The caller is content with the event being in the spool. */
  readonly spooled: true;
}

/** What the event must be like. Its type is filled in, and the compiler checks its details. */
export interface As<Definition> {
  readonly as: Definition;
}

export interface NoDefinition {
  readonly as?: undefined;
}

/** Where an event stands in the spool. */
export interface SpooledPlace extends Sequence {
  readonly eventId: string;
}

/** All of them, as the client reads them. */
export interface AnyLogOptions {
  readonly as?: EventDefinition | undefined;
  readonly durable?: boolean;
  readonly timeoutMs?: number;
  readonly verify?: boolean;
  readonly spooled?: boolean;
}
