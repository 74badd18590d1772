/**
 * A number from 0 to 1 that rests on the parts alone. What a scripted PDP, guardrail or sink does with a hop is taken from here, so that the oracle
 * knows it as well, however the requests interleave.
 */
export function roll(...parts: readonly unknown[]): number {
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify(parts)) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  // Neighbouring texts differ in the low bits only, until they are mixed.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
