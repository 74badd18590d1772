import fc from "fast-check";
import { either, sometimes } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import type { Expectation } from "./coverage";
import { innerCall, innerKinds } from "./inner-calls";
import { anything, refundSchema, runSchema, searchSchema } from "./schemas";
import { DISGUISES, json, jsonObject, UNSENDABLE, type Disguise, type Json } from "./values";

export const TOOLS = {
  refund: refundSchema,
  search: searchSchema,
  toString: anything,
  "a/b.c-d": anything,
  /** Calls another tool. */
  run: runSchema,
};
export type ToolName = keyof typeof TOOLS;

/** How arguments are given: an object in some disguise, or something else that a model or a framework may come up with. */
export type Given =
  | { readonly as: "object"; readonly how: Disguise; readonly value: Record<string, Json> }
  | { readonly as: "text"; readonly value: Record<string, Json> }
  | { readonly as: "broken text"; readonly text: string }
  | { readonly as: "other"; readonly value: Json | undefined };

interface ToolCall {
  readonly tool: ToolName;
  readonly of: 0 | 1;
  readonly given: Given;
  readonly isAborted: boolean;
  /** What it calls in turn. */
  readonly within?: string;
}

export interface ToolPlan {
  readonly circumstances: Circumstances;
  readonly untyped: "deny" | "allow";
  readonly denials: "throw" | "return";
  readonly shape: "function" | "execute" | "run" | "handler";
  readonly calls: readonly ToolCall[];
}

const fitting: Readonly<Record<ToolName, fc.Arbitrary<Record<string, Json>>>> = {
  refund: fc.record(
    { amount_cents: fc.integer({ min: 0, max: 100_000 }), note: fc.string({ maxLength: 10 }) },
    { requiredKeys: ["amount_cents"], noNullPrototype: true },
  ),
  search: fc.record(
    { q: fc.string(), limit: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant("20")) },
    { requiredKeys: ["q"], noNullPrototype: true },
  ),
  toString: jsonObject,
  "a/b.c-d": jsonObject,
  run: innerCall.map(({ args }) => args),
};
const amounts = ["9000", null, [9000], { v: 9000 }, true, 1.5, -1, 100_001, 2 ** 53] as Json[];
const unfit = fc.oneof(
  fc.constantFrom(...amounts).map((amount_cents) => ({ amount_cents })),
  fc.record({ amount_cents: fc.constant(1), more: json }) as fc.Arbitrary<Record<string, Json>>,
  jsonObject,
);
const BROKEN = [
  '{"amount_cents":1,"amount_cents":99999}',
  '{"amount_cents":1,"amount_\\u0063ents":99999}',
  '{"amount_cents":1,"Amount_Cents":99999}',
  '{"amount_cents":1e400}',
  '{"amount_cents":9007199254740993}',
  '{"__proto__":{"amount_cents":1}}',
  '{"amount_cents":1}}',
  '{"amount_cents":1',
  '"{}"',
  "",
];

/** A tool that calls another one. */
const metaCall: fc.Arbitrary<ToolCall> = fc
  .record({
    call: innerCall,
    of: either,
    how: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Disguise>("as it is") },
      { weight: 1, arbitrary: fc.constantFrom(...DISGUISES) },
    ),
  })
  .map(({ call: { kind, args }, of, how }) => ({
    tool: "run",
    of,
    given: { as: "object", how, value: args },
    isAborted: false,
    ...(how === "as it is" && { within: `tool: within, ${kind}` }),
  }));

const toolCall: fc.Arbitrary<ToolCall> = fc
  .constantFrom(...(Object.keys(TOOLS) as ToolName[]))
  .chain((tool) => {
    const value = fc.oneof({ weight: 4, arbitrary: fitting[tool] }, { weight: 1, arbitrary: unfit });
    const how = fc.oneof(fc.constant<Disguise>("as it is"), fc.constantFrom(...DISGUISES));
    const given: fc.Arbitrary<Given> = fc.oneof(
      { weight: 6, arbitrary: fc.record({ as: fc.constant("object" as const), how, value }) },
      { weight: 2, arbitrary: fc.record({ as: fc.constant("text" as const), value }) },
      {
        weight: 1,
        arbitrary: fc.record({ as: fc.constant("broken text" as const), text: fc.constantFrom(...BROKEN) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          as: fc.constant("other" as const),
          value: fc.option(json, { nil: undefined }),
        }),
      },
    );
    return fc.record({
      tool: fc.constant(tool),
      of: either,
      given,
      isAborted: sometimes(3),
    });
  });

export const toolPlan: fc.Arbitrary<ToolPlan> = fc.record({
  circumstances,
  untyped: fc.constantFrom("allow", "allow", "deny"),
  denials: fc.constantFrom("throw", "return"),
  shape: fc.constantFrom("function", "execute", "run", "handler"),
  calls: fc.array(fc.oneof({ weight: 3, arbitrary: toolCall }, { weight: 1, arbitrary: metaCall }), {
    minLength: 1,
    maxLength: 4,
  }),
});

export const kindOf = ({ given, isAborted }: ToolCall): string => {
  if (isAborted) return "tool: aborted before";
  return `tool: ${given.as === "object" ? `object, ${given.how}` : given.as}`;
};

export const TOOL_KINDS: Readonly<Record<string, Expectation>> = {
  ...Object.fromEntries(
    DISGUISES.map((how) => [`tool: object, ${how}`, UNSENDABLE.has(how) ? "denied" : "both"]),
  ),
  "tool: text": "both",
  "tool: broken text": "denied",
  "tool: other": "both",
  "tool: aborted before": "denied",
  ...innerKinds("tool"),
};
