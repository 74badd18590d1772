import fc from "fast-check";
import { either, seldom } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import type { Expectation } from "./coverage";

/** What is done with a batch once its requests are with the provider. */
export const STEPS = ["run", "status", "output", "cancel"] as const;
export type Step = (typeof STEPS)[number];

export interface BatchPlan {
  readonly circumstances: Circumstances;
  readonly of: 0 | 1;
  /** Whole requests in a body (Anthropic), or the lines of a file that is uploaded first (OpenAI). */
  readonly way: "inline" | "by file";
  readonly kind: string;
  readonly lines: readonly string[];
  /** Who asks for it later, and by which id. */
  readonly later: "the same" | "another session" | "another id";
  /** The endpoint that the file's run is for. */
  readonly runsAt: string;
}

type Json = Readonly<Record<string, unknown>>;
const PATH = "/v1/chat/completions";
const MODELS = ["gpt-4o", "gpt-4o-mini", "o3", "team-fast"];
const bodyOf = (model: string): Json => ({
  model,
  max_tokens: 20,
  messages: [{ role: "user", content: "Hello" }],
});
const lineOf = (id: number, body: Json, more: Json = {}): string =>
  JSON.stringify({ custom_id: `l${id}`, method: "POST", url: PATH, body, ...more });

/** A body with something in it that is a hop of its own. */
const FEATURES: Readonly<Record<string, Json>> = {
  "a plain line": {},
  "a line with a hosted tool": { tools: [{ type: "web_search" }] },
  "a line with a fallback": { fallbacks: [{ model: "o3" }] },
  "a line with a hosted server": { tools: [{ type: "mcp", server_url: "https://mcp.example/pay" }] },
};

/** A last line that spoils the file. */
const SPOILT: Readonly<Record<string, (model: string) => string>> = {
  "a line with two models": (model) =>
    lineOf(9, bodyOf(model)).replace('"max_tokens"', '"model":"o3","max_tokens"'),
  "a line with a Model beside": (model) => lineOf(9, { ...bodyOf(model), Model: "o3" }),
  "a line for another endpoint": (model) => lineOf(9, { model, input: "Hello" }, { url: "/v1/embeddings" }),
  "a line that is a batch": (model) => lineOf(9, bodyOf(model), { url: "/v1/batches" }),
  "a line with another method": (model) => lineOf(9, bodyOf(model), { method: "DELETE" }),
  "a line with a member more": (model) => lineOf(9, bodyOf(model), { model: "o3" }),
  "a line that has been there": (model) => lineOf(0, bodyOf(model)),
  "a line that is no JSON": () => "custom_id,model",
  "a line without a model": () => lineOf(9, { messages: [] }),
  "a line with a server that has no name": (model) =>
    lineOf(9, { ...bodyOf(model), tools: [{ type: "mcp", server_url: "https://evil.example" }] }),
};

const model = fc.constantFrom(...MODELS);
const plainLines = fc.array(model, { minLength: 1, maxLength: 3 });
const sound = fc
  .record({ models: plainLines, feature: fc.constantFrom(...Object.entries(FEATURES)) })
  .map(({ models, feature: [kind, feature] }) => ({
    kind,
    lines: models.map((model, id) => lineOf(id, { ...bodyOf(model), ...(id === 0 && feature) })),
  }));
const spoilt = fc
  .record({ models: plainLines, last: model, spoil: fc.constantFrom(...Object.entries(SPOILT)) })
  .map(({ models, last, spoil: [kind, spoil] }) => ({
    kind,
    lines: [...models.map((model, id) => lineOf(id, bodyOf(model))), spoil(last)],
  }));

export const batchPlan: fc.Arbitrary<BatchPlan> = fc
  .record({
    circumstances,
    of: either,
    file: fc.oneof(
      { weight: 3, arbitrary: fc.record({ way: fc.constant("by file" as const), told: sound }) },
      { weight: 1, arbitrary: fc.record({ way: fc.constant("by file" as const), told: spoilt }) },
      { weight: 2, arbitrary: fc.record({ way: fc.constant("inline" as const), told: sound }) },
    ),
    later: seldom(45, fc.constantFrom("another session" as const, "another id" as const)).map(
      (other) => other ?? "the same",
    ),
    runsAt: seldom(8, fc.constant("/v1/embeddings")).map((other) => other ?? PATH),
  })
  .map(({ file: { way, told }, ...rest }) => ({ ...rest, way, ...told }));

/** What a request within the plan is, for the report. */
export function kindOf({ way, kind, later, runsAt }: BatchPlan, step: "create" | Step): string {
  if (step === "create") return `batch: ${way}, ${kind}`;
  if (later !== "the same") return `batch: ${way}, ${step} of ${later}`;
  return `batch: ${way}, ${step}${step === "run" && runsAt !== PATH ? " at another endpoint" : ""}`;
}

/** Anthropic's batches run as soon as they are there. */
export const stepsOf = (way: BatchPlan["way"]): readonly Step[] =>
  STEPS.filter((step) => way === "by file" || step !== "run");

const among = (kinds: readonly string[], expects: Expectation): Readonly<Record<string, Expectation>> =>
  Object.fromEntries(kinds.map((kind) => [`batch: ${kind}`, expects]));
const steps = (["by file", "inline"] as const).flatMap((way) =>
  stepsOf(way).map((step) => `${way}, ${step}`),
);
const features = Object.keys(FEATURES);

export const BATCH_KINDS: Readonly<Record<string, Expectation>> = {
  ...among([...features.flatMap((kind) => [`by file, ${kind}`, `inline, ${kind}`]), "by file, run"], "both"),
  ...among(
    steps.filter((step) => step !== "by file, run"),
    "also reached",
  ),
  ...among(
    steps.flatMap((step) => [`${step} of another session`, `${step} of another id`]),
    "denied",
  ),
  ...among(
    [...Object.keys(SPOILT).map((kind) => `by file, ${kind}`), "by file, run at another endpoint"],
    "denied",
  ),
};
