/** The property does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";

  constructor(what: string, ...details: readonly unknown[]) {
    super([what, ...details.map((detail) => JSON.stringify(detail, undefined, 1))].join("\n"));
  }
}
