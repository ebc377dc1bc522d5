/** Where bytes rest: one interface, one conformance suite, several implementations. */
export type {
  Commit,
  LogReader,
  LogStore,
  ObjectWriter,
  Store,
  StoredObject,
  TailPart,
} from "./store.ts";
