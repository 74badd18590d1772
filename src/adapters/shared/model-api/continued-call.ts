import type { Hop } from "../../../core/hop";
import { isJsonObject, type JsonObject } from "../../../core/json";
import type { CallContext, ModelCall } from "./model-call";
import { UnsupportedRequestError } from "./unsupported-request";

/**
 * The call that a request goes on with, where the provider holds the conversation and its tools with it (Anthropic's message threads). Such a
 * request declares nothing, and everything that was declared before runs all the same.
 *
 * @throws {UnsupportedRequestError} for a conversation that this client has not begun.
 */
export function continuedCall(
  { guard, created, endpoint }: CallContext,
  { thread }: JsonObject,
): ModelCall | undefined {
  if (guard.api !== "anthropic" || thread === undefined || thread === null) return undefined;
  if (!isJsonObject(thread)) throw new UnsupportedRequestError("The request's thread is not an object.");
  if (thread.type === "create") return undefined;
  const { previous_message_id: id } = thread;
  const before =
    thread.type === "continue" && typeof id === "string" ? created.find(["thread"], endpoint, id) : undefined;
  if (before) return before;
  throw new UnsupportedRequestError(
    "The request continues a conversation that this client has not begun, with tools that the guard has not seen. Send the whole conversation.",
  );
}

/**
 * Where callers share the provider's key, an id says nothing of whose conversation it names, and what was said in it would be told to whoever goes on with it.
 *
 * @throws {UnsupportedRequestError} for a conversation that nobody has begun here.
 */
export function assertOwnConversation(
  { created, endpoint, conversations }: CallContext,
  { previous_response_id: id = null, conversation = null }: JsonObject,
): void {
  if (conversations === "any" || (id === null && conversation === null)) return;
  const isOwn = typeof id === "string" && created.find(["turn"], endpoint, id) !== undefined;
  if (isOwn && conversation === null) return;
  throw new UnsupportedRequestError(
    'The request continues a conversation that this caller is not known to have begun here. Send the whole conversation; the option `conversations: "any"` admits it.',
  );
}

/** What the earlier call has declared, and the request that goes on with it does not: its tools run on the model of now. */
export function carriedHops({ model: before, action, hops }: ModelCall, model: string): readonly Hop[] {
  const isCallItself = (hop: Hop): boolean =>
    hop.kind === "llm_model" && hop.id === before && hop.action === action;
  return hops
    .filter((hop) => !isCallItself(hop))
    .map((hop) => (hop.action.startsWith("hosted_tools/") ? { ...hop, id: model } : hop));
}
