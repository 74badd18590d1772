import type { CheckOptions, GuardContext } from "./context";
import { callWithin, within } from "./deadline";
import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import type { JsonObject, JsonValue } from "./json";

/** Says what kinds of data a text holds. One that throws, or is silent past the deadline, denies. */
export interface Classifier {
  readonly name: string;
  /** Default: every hop that carries content. */
  readonly applies?: (hop: HopSnapshot) => boolean;
  /** The names of what it has found, such as `personal_eu`. They become `R.attr.context.data`. */
  readonly classify: (input: {
    /** What a request's body or a tool's arguments say: each name and each value on a line of its own, without the escapes of JSON. */
    readonly content: string;
    readonly hop: HopSnapshot;
    readonly signal: AbortSignal;
  }) => readonly string[] | Promise<readonly string[]>;
  /** Milliseconds, default the guard's `timeoutMs`. */
  readonly timeoutMs?: number;
}

/** `R.attr.context.data`: every class that a classifier has found, once; an empty list where there is nothing to look at. */
export async function classify(
  guard: GuardContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  given: CheckOptions["content"],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (guard.classifiers.length === 0) return;
  const { arguments: args } = hop.attr;
  const content =
    (await (typeof given === "function" ? within(guard.timeoutMs, "content", given()) : given)) ??
    (args === undefined ? undefined : textIn(args));
  const applicable = guard.classifiers.filter(
    ({ applies }) => content !== undefined && (applies?.(hop) ?? true),
  );
  const found = await Promise.all(
    applicable.map(async ({ name, classify, timeoutMs = guard.timeoutMs }) => {
      const classes: unknown = await callWithin(timeoutMs, `classifier ${name}`, signal, (signal) =>
        classify({ content: content ?? "", hop, signal }),
      );
      if (isStrings(classes)) return classes;
      throw new Error(`classifier ${name} answered something that is no list of names`);
    }),
  );
  evaluation.data = [...new Set(found.flat())].sort();
}

/** What JSON says, each name and each value on a line of its own: behind the escapes of JSON's own text no pattern would find it. */
export function textIn(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(textIn).join("\n");
  return Object.entries(value as JsonObject)
    .flatMap(([name, member]) => [name, textIn(member)])
    .join("\n");
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && item.isWellFormed());
}
