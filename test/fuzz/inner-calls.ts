import fc from "fast-check";
import type { MetaTool } from "hopguard/tools";
import type { Expectation } from "./coverage";
import type { Json } from "./values";

/** The tool that calls others: `run({ tool, args })`, there or elsewhere. */
export const META_TOOL = "run";
type Args = Record<string, Json>;

/** How its calls are read, by the operator's word. */
export const readCalls: MetaTool = ({ tool, args, server, toolset }) => ({
  tool: tool as string,
  ...(args !== undefined && { arguments: args }),
  ...(server !== undefined && { server: server as string }),
  ...(toolset !== undefined && { toolset: toolset as string }),
});

const refund = fc
  .integer({ min: 0, max: 100_000 })
  .map((amount_cents): Args => ({ tool: "refund", args: { amount_cents } }));
const through = (times: number) =>
  refund.map((call) =>
    Array.from({ length: times }).reduce<Args>((args) => ({ tool: META_TOOL, args }), call),
  );
const fixed = (args: Args): fc.Arbitrary<Args> => fc.constant(args);

/** What it is asked to call. */
export const INNER_CALLS: Readonly<Record<string, readonly [Expectation, fc.Arbitrary<Args>]>> = {
  "a call of another tool": ["both", refund],
  "a call with its arguments in text": ["both", fixed({ tool: "refund", args: '{"amount_cents":7}' })],
  "a call within a call": ["both", through(1)],
  "a call in another toolset": ["both", refund.map((call) => ({ ...call, toolset: "stash" }))],
  "a call on another server": ["both", refund.map((call) => ({ ...call, server: "bank" }))],
  "a call of a tool without a schema": ["both", fixed({ tool: "toString", args: { any: 1 } })],
  "a call with arguments of another type": [
    "denied",
    fixed({ tool: "refund", args: { amount_cents: "9000" } }),
  ],
  "a call that its schema would change": [
    "denied",
    fixed({ tool: "search", args: { q: " x ", limit: "20" } }),
  ],
  "a call without arguments that are needed": ["denied", fixed({ tool: "refund" })],
  "a call with a text of two meanings": [
    "denied",
    fixed({ tool: "refund", args: '{"amount_cents":1,"amount_cents":9000}' }),
  ],
  "a call of no tool": ["denied", fixed({ tool: 7 })],
  "a call through too many calls": ["denied", through(6)],
};

export interface InnerCall {
  readonly kind: string;
  readonly args: Args;
}

export const innerCall: fc.Arbitrary<InnerCall> = fc
  .constantFrom(...Object.entries(INNER_CALLS))
  .chain(([kind, [, args]]) => fc.record({ kind: fc.constant(kind), args }));

export function innerKinds(prefix: string): Readonly<Record<string, Expectation>> {
  return Object.fromEntries(
    Object.entries(INNER_CALLS).map(([kind, [expects]]) => [`${prefix}: within, ${kind}`, expects]),
  );
}

/** A tool that is called through another, by what the other was called with. */
export interface CallWithin {
  readonly kind: string;
  readonly name: string;
  readonly tool: string;
  readonly args: unknown;
  readonly isElsewhere: boolean;
}

/** Every call that a call of the meta tool makes, for the oracle: in its own words. */
export function callsWithin(args: unknown, kind: string): readonly CallWithin[] {
  const { tool, args: given = {}, server, toolset } = args as Readonly<Record<string, string | undefined>>;
  const owner = server !== undefined ? `mcp_${server}` : toolset !== undefined ? `tool_${toolset}` : kind;
  const plain: unknown = typeof given === "string" ? JSON.parse(given) : given;
  const isElsewhere = owner !== kind;
  const name = owner.replace(/^(?:mcp|tool)_/, "");
  const call = { kind: owner, name, tool: String(tool), args: plain, isElsewhere };
  return [call, ...(tool === META_TOOL && !isElsewhere ? callsWithin(plain, kind) : [])];
}
