/** Runs all together or one after the other. What was thrown is an answer like another. */
export async function inOrder<T>(
  together: boolean,
  items: readonly T[],
  run: (item: T, index: number) => Promise<unknown>,
): Promise<readonly unknown[]> {
  const settled = (item: T, index: number): Promise<unknown> =>
    run(item, index).catch((error: unknown) => error);
  if (together) return Promise.all(items.map(settled));
  const answers: unknown[] = [];
  for (const [index, item] of items.entries()) answers.push(await settled(item, index));
  return answers;
}

export function isFrozen(value: unknown): boolean {
  return (
    typeof value !== "object" ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  );
}
