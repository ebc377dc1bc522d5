/**
 * What Keycloak's event listener `jboss-logging` writes: `type="LOGIN", realmId="…", userId="null", username="alice"`.
 *
 * Keycloak puts a backslash before each quote in a value, and nothing before a backslash. So a value that somebody
 * ends in a backslash (a user name at a login, a client's id) hides the quote that closes it. A quote that was not
 * escaped is always Keycloak's own; the reader takes such a one first, and an escaped one only where nothing else can
 * be: in front of `, name="` with a quote of Keycloak's. Of two fields of one name the first counts, because the fields
 * that say who it was come before all that a stranger can fill.
 */

export interface KeycloakFields {
  /** By name; a value that Keycloak did not have is not there. */
  readonly fields: Readonly<Record<string, string>>;
  /** What could not be read, from there to the end. Most often undefined. */
  readonly rest?: string;
}

const start = /^(?:type|operationType)="/;
const opening = /([A-Za-z_][A-Za-z0-9_.-]*)="/y;
const lengthMax = 256 * 1024;

/** Undefined where the text is none of the listener's. */
export function findKeycloakFields(message: string): KeycloakFields | undefined {
  if (!start.test(message) || message.length > lengthMax) return undefined;
  const fields = new Map<string, string>();
  for (let at = 0; at < message.length;) {
    opening.lastIndex = at;
    const name = opening.exec(message)?.[1];
    const from = opening.lastIndex;
    const end = name === undefined ? undefined : findEnd(message, from);
    if (name === undefined || end === undefined) {
      return { fields: Object.fromEntries(fields), rest: message.slice(at) };
    }
    const value = message.slice(from, end).replaceAll('\\"', '"');
    if (value !== "null" && !fields.has(name)) fields.set(name, value);
    at = end + '", '.length;
  }
  return { fields: Object.fromEntries(fields) };
}

/** Where the quote is that closes the value which begins at `from`. */
function findEnd(message: string, from: number): number | undefined {
  let escaped: number | undefined;
  for (let at = message.indexOf('"', from); at >= 0; at = message.indexOf('"', at + 1)) {
    const isEscaped = message[at - 1] === "\\" && at > from;
    if (!isEscaped) return isBoundary(message, at) ? at : escaped;
    if (escaped === undefined && isBoundary(message, at)) escaped = at;
  }
  return escaped;
}

/** True where the message ends behind this quote, or the next field begins. */
function isBoundary(message: string, at: number): boolean {
  if (at === message.length - 1) return true;
  if (!message.startsWith('", ', at)) return false;
  opening.lastIndex = at + '", '.length;
  return opening.test(message);
}
