import { findDenial, type DenialCode } from "hopguard";
import { Violation } from "./violation";

/** How a request ended: it came upstream, it was denied, it threw something else, or nobody was told anything. */
export type Outcome = "reached" | DenialCode | "threw" | "silent";

/** What must be seen of a kind of request: `"both"` ends, `"denied"` and nothing else, or one end whatever else there is. */
export type Expectation = "both" | "denied" | "also reached" | "also denied";

/** The columns of the report, and the ends that each of them counts. */
const COLUMNS: Readonly<Record<string, readonly Outcome[]>> = {
  reached: ["reached"],
  policy: ["policy_denied", "repeat_denied"],
  unsupported: ["unsupported_hop", "definition_changed"],
  arguments: ["arguments_invalid"],
  PDP: ["pdp_unavailable", "pdp_invalid_response"],
  guardrail: ["guardrail_denied"],
  facts: ["enrichment_failed"],
  revoked: ["revoked"],
  identity: ["unauthenticated", "delegation_invalid"],
  state: ["state_unavailable"],
  audit: ["audit_failed"],
  aborted: ["aborted", "threw"],
  silent: ["silent"],
};

/** Counts what the properties have covered, for the report and to fail where a property proved nothing. */
export class Coverage {
  readonly #counts = new Map<string, Map<Outcome, number>>();
  readonly #expected = new Map<string, Expectation>();

  /** Announces kinds of requests, so that one which never came is missed. */
  expect(kinds: Readonly<Record<string, Expectation>>): void {
    for (const [kind, expectation] of Object.entries(kinds)) {
      this.#expected.set(kind, expectation);
      this.#counts.set(kind, new Map());
    }
  }

  /** @throws {Violation} for what came upstream and never may. */
  count(kind: string, outcome: Outcome): void {
    const counts = this.#counts.get(kind);
    if (!counts) throw new Error(`The report was not told of the kind "${kind}".`);
    if (outcome === "reached" && this.#expected.get(kind) === "denied")
      throw new Violation(`This came upstream, and never should: ${kind}`);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }

  /** What the runs have not shown, in sentences. */
  missing(): readonly string[] {
    return [...this.#expected].flatMap(([kind, expectation]) => {
      const reached = this.#of(kind, "reached");
      const denied = this.#total(kind) - reached;
      return [
        ...(["both", "also reached"].includes(expectation) && reached === 0
          ? [`${kind}: never came upstream`]
          : []),
        ...(expectation !== "also reached" && denied === 0 ? [`${kind}: was never denied`] : []),
      ];
    });
  }

  /** A row for each kind, a column for each end. */
  toString(): string {
    const columns = Object.entries(COLUMNS).filter(([, outcomes]) =>
      [...this.#counts.keys()].some((kind) => this.#sum(kind, outcomes) > 0),
    );
    const width = Math.max(...[...this.#counts.keys()].map((kind) => kind.length));
    const row = (title: string, cells: readonly (string | number)[]): string =>
      [
        title.padEnd(width),
        ...cells.map((cell, index) => String(cell || ".").padStart((columns[index]?.[0].length ?? 0) + 1)),
      ].join(" ");
    const head = row(
      "kind of request",
      columns.map(([title]) => title),
    );
    const rows = [...this.#counts.keys()].map((kind) =>
      row(
        kind,
        columns.map(([, outcomes]) => this.#sum(kind, outcomes)),
      ),
    );
    return [head, ...rows].join("\n");
  }

  #sum(kind: string, outcomes: readonly Outcome[]): number {
    return outcomes.reduce((sum, outcome) => sum + this.#of(kind, outcome), 0);
  }

  #of(kind: string, outcome: Outcome): number {
    return this.#counts.get(kind)?.get(outcome) ?? 0;
  }

  #total(kind: string): number {
    return [...(this.#counts.get(kind)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }
}

/** How a request ended that did not come upstream, by what its sender was told. */
export function outcomeOf(told: unknown): Outcome {
  const denial = findDenial(told);
  if (denial) return denial.code;
  return told instanceof Error ? "threw" : "silent";
}
