import * as ask from "./questions";
import type { Ask, AskLater } from "./questions";

/*
 * Every method that may pass, in either direction. What is not here is denied, so that a method of tomorrow's revision is found missing
 * rather than let through.
 */

/**
 * What a client may ask of a server.
 *
 * Opening a server is decided before its transport starts and again on `initialize` or `server/discover`. Revision 2026-07-28 has no
 * session that an opened server would stand for; there too every request is decided by itself, on the server's kind and with revocations
 * read. A second check of `initialize` beside each of them would say nothing new, at twice the cost.
 */
export const CLIENT_REQUESTS: ReadonlyMap<string, "pass" | AskLater> = new Map<string, "pass" | AskLater>([
  ["ping", "pass"],
  ["initialize", ask.askOpening],
  ["server/discover", ask.askOpening],
  ["tools/list", ask.askServer],
  ["tools/call", ask.askToolCall],
  ["resources/list", ask.askServer],
  ["resources/templates/list", ask.askServer],
  ["resources/read", ask.askResource],
  ["resources/subscribe", ask.askResource],
  ["resources/unsubscribe", ask.askResource],
  ["prompts/list", ask.askServer],
  ["prompts/get", ask.askPrompt],
  ["completion/complete", ask.askCompletion],
  ["logging/setLevel", ask.askLogging],
  ["subscriptions/listen", ask.askListening],
  ["tasks/list", ask.askServer],
  ["tasks/get", ask.askTask],
  ["tasks/result", ask.askTask],
  ["tasks/update", ask.askTask],
  ["tasks/cancel", ask.askTask],
]);

export const CLIENT_NOTIFICATIONS: ReadonlySet<string> = new Set([
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/tasks/status",
]);

/** What a server may ask of the client within a result, in revision 2026-07-28. */
export const INPUT_REQUESTS: ReadonlyMap<string, Ask> = new Map([
  ["sampling/createMessage", ask.askSampling],
  ["elicitation/create", ask.askElicitation],
  ["roots/list", ask.askServer],
]);

/** What a server may ask of the client in a request of its own. Revision 2025-11-25 lets the client answer with a task. */
export const SERVER_REQUESTS: ReadonlyMap<string, "pass" | Ask> = new Map<string, "pass" | Ask>([
  ["ping", "pass"],
  ...INPUT_REQUESTS,
  ["tasks/list", ask.askServer],
  ["tasks/get", ask.askClientTask],
  ["tasks/result", ask.askClientTask],
  ["tasks/cancel", ask.askClientTask],
]);

export const SERVER_NOTIFICATIONS: ReadonlySet<string> = new Set([
  "notifications/cancelled",
  "notifications/progress",
  "notifications/message",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/subscriptions/acknowledged",
  "notifications/elicitation/complete",
  "notifications/tasks/status",
]);
