import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { Hop } from "../../../../core/hop";
import { UnreadableBodyError } from "../request-body";

/** About as many as English takes. Other scripts take fewer; what is reserved is an estimate, and gives way to what the provider says. */
const CHARACTERS_A_TOKEN = 4;

/** As far as a request says itself what it may use up. */
export interface Demand {
  /** The largest of its limits: nobody knows which of several a provider goes by. A negative one is no limit to some of them. */
  readonly max_tokens?: number;
  /** Answers that are written, unless it is one: of each prompt, those too among which the best is chosen. */
  readonly choices?: number;
}

const LIMITS = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

/**
 * @param names the limits that the endpoint knows: another may stand there only to be seen.
 * @throws {UnreadableBodyError} for a number in another type, which some providers take for a number all the same.
 */
export function demandOf(body: JsonObject, names: readonly string[] = LIMITS): Demand {
  const given = LIMITS.map((name) => [name, amount(body, name)] as const);
  const limits = given.flatMap(([name, limit]) => (names.includes(name) ? limit : []));
  const choices = Math.max(1, ...amount(body, "n"), ...amount(body, "best_of")) * prompts(body.prompt);
  return {
    ...(limits.length > 0 && Math.min(...limits) >= 0 && { max_tokens: Math.max(...limits) }),
    ...(choices > 1 && { choices }),
  };
}

function amount(body: JsonObject, name: string): readonly number[] {
  const value = body[name] ?? null;
  if (value === null) return [];
  if (typeof value === "number") return [value];
  throw new UnreadableBodyError(`The request's ${name} is not a number.`);
}

/** A list of numbers is one prompt, in tokens. */
function prompts(prompt: JsonValue | undefined): number {
  return Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(1, prompt.length) : 1;
}

/** What reservations go by beside the demand. `length` in characters. */
export function estimateOf(length: number): { readonly estimated_input_tokens: number } {
  return { estimated_input_tokens: Math.ceil(length / CHARACTERS_A_TOKEN) };
}

/** The hop as so many requests that are alike, of so many characters together. */
export function forRequests(hop: Hop, requests: number, length: number): Hop {
  const request = hop.attr?.request;
  if (!isJsonObject(request)) return hop;
  return { ...hop, attr: { ...hop.attr, request: { ...request, requests, ...estimateOf(length) } } };
}

/** The hop of a request that is about other requests, and runs none of them. */
export const forNone = (hop: Hop): Hop => forRequests(hop, 0, 0);
