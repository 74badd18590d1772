import { AuthorizationDeniedError } from "../../core/errors";
import type { JsonValue } from "../../core/json";
import { denialAnswer } from "../mcp/denial-message";
import { isNotification, isRequest, type JsonRpcResponse } from "../mcp/json-rpc";
import type { MessageGuard } from "../mcp/message-guard";
import { CLIENT_NOTIFICATIONS } from "../mcp/methods";
import { unsupported } from "../mcp/question";
import type { AsSender } from "../mcp/server-policy";
import type { SendOptions } from "../mcp/transport";
import { isMethod, methodNotFound } from "./revisions";

/**
 * Hands the guard a message of the client's. Resolves to the answer to a request that does not come that far.
 *
 * @throws {AuthorizationDeniedError} for what cannot be answered.
 */
export async function take(
  guard: MessageGuard,
  message: JsonValue,
  options: SendOptions,
  revisionHeader?: string,
  sender?: AsSender,
): Promise<JsonRpcResponse | undefined> {
  if (isRequest(message) && !isMethod(message, revisionHeader)) {
    const { method } = message;
    const unknown = unsupported(method, "There is no such method in this revision of the protocol.");
    return methodNotFound(message, await guard.deny(unknown));
  }
  if (isNotification(message) && !CLIENT_NOTIFICATIONS.has(message.method)) {
    throw await guard.denied(unsupported(message.method, "The guard does not know this notification."));
  }
  // Without a pause for what is asked about by itself: it is under way from now on.
  const denial = guard.needsOpening(message) ? await guard.reopen(sender) : undefined;
  if (denial && isRequest(message)) return denialAnswer(message, denial);
  if (denial) throw new AuthorizationDeniedError(denial);
  try {
    await guard.fromClient(message, options, sender);
    return undefined;
  } catch (error) {
    if (!isRequest(message) || !AuthorizationDeniedError.isInstance(error)) throw error;
    return denialAnswer(message, error.denial);
  }
}
