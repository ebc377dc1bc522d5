/** The logs that a server serves. Who opens and closes them is not the server's business. */
import type { Log } from "@cairnlog/log";

export interface RequestedLog {
  readonly name: string;
  readonly origin?: string;
  readonly public?: boolean;
}

export interface LogRegistry {
  get(name: string): Log | undefined;
  /** In order of name. */
  list(): readonly Log[];
  /** Rejects with "conflict" where the name is taken, "usage" where it is not allowed. */
  create(log: RequestedLog): Promise<Log>;
}
