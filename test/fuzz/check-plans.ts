import fc from "fast-check";
import { either, sometimes } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import type { Expectation } from "./coverage";
import { DISGUISES, json, jsonObject, type Disguise, type Json } from "./values";

export interface OpenCheck {
  readonly label: string;
  readonly of: 0 | 1;
  readonly kind: unknown;
  readonly id: unknown;
  readonly action: unknown;
  readonly attr: Record<string, Json>;
  readonly how: Disguise;
  /** Members of the hop itself that answer differently when they are read again. */
  readonly isShifty: boolean;
  readonly refuse: boolean;
  /** Only what would be decided is asked. */
  readonly isLookUp: boolean;
  readonly schema: "none" | "accepts" | "rejects" | "coerces" | "throws";
}

export interface CheckPlan {
  readonly circumstances: Circumstances;
  readonly checks: readonly OpenCheck[];
}

type Named = Pick<OpenCheck, "label" | "kind" | "id" | "action">;

/** Of every kind that there is a grammar for, and of the application's own. */
const SOUND: readonly Named[] = [
  { label: "check: a model", kind: "llm_model", id: "gpt-4o", action: "completion" },
  { label: "check: a model with a colon", kind: "llm_model", id: "llama3:8b", action: "embedding" },
  { label: "check: an alias", kind: "llm_model", id: "team-fast", action: "completion" },
  { label: "check: a tool", kind: "mcp_payments", id: undefined, action: "tools/call/refund_issue" },
  { label: "check: a tool with an id", kind: "mcp_payments", id: "crm/1", action: "tools/call/toString" },
  { label: "check: a prompt", kind: "mcp_payments", id: undefined, action: "prompts/get/hello" },
  { label: "check: a local tool", kind: "tool_desk", id: undefined, action: "tools/call/a/b" },
  { label: "check: an agent", kind: "a2a_lawyer", id: undefined, action: "message/send" },
  { label: "check: the application's own", kind: "document", id: "Q3 – Zahlen", action: "print" },
];

/** Names that no policy could rely on. */
const UNSOUND: readonly (readonly [string, Partial<Named>])[] = [
  ["a kind with a glob", { kind: "mcp_*" }],
  ["a kind that the PDP folds", { kind: "mcp_pay-roll" }],
  ["a kind in upper case", { kind: "mcp_Payments" }],
  ["a kind without a name", { kind: "tool_" }],
  ["a kind with a line break", { kind: "document\n" }],
  ["a kind that is no string", { kind: ["document"] }],
  ["no kind", { kind: undefined }],
  ["an action with a glob", { action: "tools/call/*" }],
  ["an action with a space", { action: "tools/call/ refund_issue" }],
  ["an empty action", { action: "" }],
  ["an action that is no string", { action: { toString: () => "completion" } }],
  ["a model with a space", { kind: "llm_model", id: "gpt-4o " }],
  ["a model with a Cyrillic letter", { kind: "llm_model", id: "gpt-4\u043e" }],
  ["a model without a name", { kind: "llm_model", id: "" }],
  ["an id with a control character", { kind: "document", id: "a\u0000b" }],
  ["no id", { kind: "document", id: undefined }],
];

const sound: fc.Arbitrary<Named> = fc.constantFrom(...SOUND);
const unsound: fc.Arbitrary<Named> = fc
  .record({ base: sound, unsound: fc.constantFrom(...UNSOUND) })
  .map(({ base, unsound: [label, spoilt] }) => ({ ...base, ...spoilt, label: `check: ${label}` }));
const RESERVED = "check: attributes of the guard's own";
export const LOOK_UP = "check: a look-up";

const openCheck: fc.Arbitrary<OpenCheck> = fc
  .record({
    named: fc.oneof({ weight: 4, arbitrary: sound }, { weight: 1, arbitrary: unsound }),
    of: either,
    attr: fc.oneof(
      { weight: 3, arbitrary: jsonObject },
      { weight: 1, arbitrary: fc.record({ arguments: json, effect: fc.constant("read") }) },
    ),
    reserved: sometimes(4),
    how: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Disguise>("as it is") },
      { weight: 1, arbitrary: fc.constantFrom(...DISGUISES) },
    ),
    isShifty: sometimes(20),
    refuse: sometimes(4),
    isLookUp: sometimes(25),
    schema: fc.constantFrom("none", "none", "none", "accepts", "coerces", "rejects", "throws"),
  })
  .map(({ named, reserved, attr, ...rest }) => {
    const label =
      reserved && SOUND.includes(named) ? RESERVED : rest.refuse ? "check: refused beforehand" : named.label;
    const own = reserved ? { context: { session: { denials: 0 } }, facts: { risk: 0 } } : {};
    return { ...named, ...rest, label, attr: { ...attr, ...own } };
  });

export const checkPlan: fc.Arbitrary<CheckPlan> = fc.record({
  circumstances,
  checks: fc.array(openCheck, { minLength: 1, maxLength: 4 }),
});

export const CHECK_KINDS: Readonly<Record<string, Expectation>> = {
  ...Object.fromEntries(SOUND.map(({ label }) => [label, "both" as const])),
  ...Object.fromEntries(UNSOUND.map(([label]) => [`check: ${label}`, "denied" as const])),
  [RESERVED]: "denied",
  [LOOK_UP]: "both",
  "check: refused beforehand": "denied",
};
