/**
 * What a function of the operator's has answered. One that is async has said nothing yet, and what it comes to later must not end the process.
 *
 * @throws {Error} naming what is missing.
 */
export function atOnce<T>(answer: T, what: string): T {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => undefined);
  throw new Error(`the ${what} must be there at once: the function may not be async`);
}
