import fc from "fast-check";
import { FORMATS, type Format, type Twist } from "./answer-calls";
import { either } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import type { Expectation } from "./coverage";

/** A tool call that a model makes up. */
export interface PlannedCall {
  readonly kind: string;
  readonly name: string;
  readonly text: string;
}

/** A request to a model, and what it answers. */
export interface Exchange {
  readonly of: 0 | 1;
  readonly format: Format;
  readonly isStreamed: boolean;
  readonly twist: Twist | undefined;
  readonly calls: readonly PlannedCall[];
  /** Bytes that come at once. */
  readonly chunk: number;
}

export interface AnswerPlan {
  readonly circumstances: Circumstances;
  readonly exchanges: readonly Exchange[];
}

type CallKind = readonly [Expectation, string, fc.Arbitrary<string>];
const json = (value: unknown): fc.Arbitrary<string> => fc.constant(JSON.stringify(value));
const refund = fc.record(
  { amount_cents: fc.integer({ min: 0, max: 100_000 }), note: fc.string({ maxLength: 8 }) },
  { requiredKeys: ["amount_cents"], noNullPrototype: true },
);

/** `refund` has a schema of the operator's, `delete` one in the request, `search` none and needs none, and `run` calls others. */
const CALLS: Readonly<Record<string, CallKind>> = {
  "a call of a typed tool": ["both", "refund", refund.map((args) => JSON.stringify(args))],
  "a call of a tool that the request types": ["both", "delete", json({ id: 7 })],
  "a call of an untyped tool": ["both", "search", fc.json({ maxDepth: 2 }).map((value) => `{"q":${value}}`)],
  "a call without arguments": ["both", "search", fc.constant("")],
  "a call of another tool": ["both", "run", json({ tool: "delete", args: { id: 7 } })],
  "a call on another server": [
    "both",
    "run",
    refund.map((args) => JSON.stringify({ tool: "refund", server: "payments", args })),
  ],
  "arguments of another type": ["denied", "refund", json({ amount_cents: "9000" })],
  "arguments that the request does not take": ["denied", "delete", json({ id: "7" })],
  "arguments that stand there twice": [
    "denied",
    "refund",
    fc.constant('{"amount_cents":1,"amount_cents":9000}'),
  ],
  "arguments that are not whole": ["denied", "search", fc.constant('{"q":')],
  "arguments in a list": ["denied", "search", json([1])],
  "a call of a tool that nobody knows": ["denied", "stranger", json({})],
  "a call of a tool named constructor": ["denied", "constructor", json({})],
  "a call of another tool, of another type": ["denied", "run", json({ tool: "delete", args: { id: "7" } })],
  "a call of no tool": ["denied", "run", json({ tool: 7 })],
};

const TWISTS: Readonly<Record<Twist, { readonly expects: Expectation; readonly among: readonly Place[] }>> = {
  "a call in an unknown place": { expects: "denied", among: places() },
  "a call of an unknown type": { expects: "denied", among: places() },
  "members that stand there twice": { expects: "denied", among: places() },
  "another content type": { expects: "denied", among: places() },
  "an answer that breaks off": { expects: "denied", among: places(true) },
  "more behind the end of a call": { expects: "both", among: places(true) },
  "calls without an index": { expects: "both", among: places(true, ["chat"]) },
  "events by another name": { expects: "denied", among: places(true, ["responses", "messages"]) },
};

interface Place {
  readonly format: Format;
  readonly isStreamed: boolean;
}

function places(isStreamed?: true, formats: readonly Format[] = FORMATS): readonly Place[] {
  return formats.flatMap((format) =>
    [true, ...(isStreamed ? [] : [false])].map((isStreamed) => ({ format, isStreamed })),
  );
}

const callOf = ([kind, [, name, text]]: readonly [string, CallKind]): fc.Arbitrary<PlannedCall> =>
  text.map((text) => ({ kind, name, text }));
const soundCall = fc
  .constantFrom(...Object.entries(CALLS).filter(([, [expects]]) => expects === "both"))
  .chain(callOf);
const anyCall = fc.constantFrom(...Object.entries(CALLS)).chain(callOf);
const plainly = fc.record({
  place: fc.constantFrom(...places()),
  twist: fc.constant(undefined),
  calls: fc.array(fc.oneof({ weight: 2, arbitrary: soundCall }, { weight: 1, arbitrary: anyCall }), {
    minLength: 1,
    maxLength: 3,
  }),
});
const twisted = fc.constantFrom(...(Object.keys(TWISTS) as Twist[])).chain((twist) =>
  fc.record({
    place: fc.constantFrom(...TWISTS[twist].among),
    twist: fc.constant(twist),
    calls: soundCall.filter(({ text }) => text !== "").map((call) => [call]),
  }),
);

const exchange: fc.Arbitrary<Exchange> = fc
  .record({
    of: either,
    chunk: fc.constantFrom(7, 60, 100_000),
    told: fc.oneof({ weight: 2, arbitrary: plainly }, { weight: 1, arbitrary: twisted }),
  })
  .map(({ told: { place, ...told }, ...rest }) => ({ ...rest, ...place, ...told }));

export const answerPlan: fc.Arbitrary<AnswerPlan> = fc.record({
  circumstances,
  exchanges: fc.array(exchange, { minLength: 1, maxLength: 3 }),
});

const placeKind = ({ format, isStreamed }: Place): string =>
  `answer: ${format}, ${isStreamed ? "streamed" : "whole"}`;

/** What a call that a model made says something about. */
export function kindsOf({ twist, ...place }: Exchange, { kind }: PlannedCall): readonly string[] {
  if (twist !== undefined) return [`answer: ${twist}`];
  return [`answer: ${kind}`, ...(CALLS[kind]?.[0] === "both" ? [placeKind(place)] : [])];
}

export const ANSWER_KINDS: Readonly<Record<string, Expectation>> = {
  ...Object.fromEntries(places().map((place) => [placeKind(place), "both" as const])),
  ...Object.fromEntries(Object.entries(CALLS).map(([kind, [expects]]) => [`answer: ${kind}`, expects])),
  ...Object.fromEntries(Object.entries(TWISTS).map(([twist, { expects }]) => [`answer: ${twist}`, expects])),
};
