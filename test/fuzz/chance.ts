import fc from "fast-check";

/** True in so many of a hundred cases, without fast-check's love of the smallest. */
export function sometimes(percent: number): fc.Arbitrary<boolean> {
  return seldom(percent, fc.constant(true)).map((chosen) => chosen ?? false);
}

/** There in so many of a hundred cases, else `undefined`. */
export function seldom<T>(percent: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: 100 - percent, arbitrary: fc.constant(undefined) },
    { weight: percent, arbitrary },
  );
}

/** One of the two sessions. */
export const either: fc.Arbitrary<0 | 1> = fc.constantFrom(0, 1);
