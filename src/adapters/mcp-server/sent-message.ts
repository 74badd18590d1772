import { isCall, isResponse } from "../mcp/json-rpc";
import type { Passage } from "./intercept";
import type { ServerSendOptions } from "./server-transport";

/**
 * What a server sends, as it will be on the wire. SDKs hand over plain objects; what is none, a server of one's own may still have made into something
 * that becomes a message only when it is written.
 */
export function asWritten(message: unknown): unknown {
  return isResponse(message) || isCall(message) ? message : (JSON.parse(JSON.stringify(message)) as unknown);
}

/** A message of the server's on its way to the client. */
export class Sending {
  /** There once it has been handed to the transport. */
  delivery: Promise<void> | undefined;
  constructor(readonly options: ServerSendOptions | undefined) {}
}

/** Passes on what the client may see. What cannot be delivered fails where the server waits for it, and is reported where it does not. */
export function deliver(passage: Passage, message: object, extra: unknown): void {
  const sending = extra instanceof Sending ? extra : undefined;
  const own = isResponse(message) ? { relatedRequestId: message.id } : undefined;
  const delivery = passage.toClient(message, sending?.options ?? own);
  delivery.catch((error: unknown) => passage.report(error));
  if (sending) sending.delivery = delivery;
}
