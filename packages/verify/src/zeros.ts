/** Zeros: what was allocated and never written. */

/** True if all of `bytes` are zero. */
export function isZero(bytes: Uint8Array): boolean {
  return findNonZero(bytes, 0) === bytes.length;
}

/** Offset of the first byte from `from` on that is not zero; the length if there is none. */
export function findNonZero(bytes: Uint8Array, from: number): number {
  let at = from;
  // Eight at a time: a small log is mostly the zeros of what it has allocated.
  while (at < bytes.length && (bytes.byteOffset + at) % 8 !== 0) {
    if (bytes[at] !== 0) return at;
    at++;
  }
  if (at + 8 > bytes.length) return findHere(bytes, at);
  const words = new Float64Array(
    bytes.buffer,
    bytes.byteOffset + at,
    Math.floor((bytes.length - at) / 8),
  );
  let word = 0;
  // As a double, only +0 and -0 equal zero; -0 has its sign bit set, which Object.is tells.
  while (word < words.length && words[word] === 0 && Object.is(words[word], 0)) word++;
  return findHere(bytes, at + word * 8);
}

function findHere(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}
