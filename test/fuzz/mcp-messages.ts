import fc from "fast-check";
import { either } from "./chance";
import type { Expectation } from "./coverage";
import { INNER_CALLS, META_TOOL } from "./inner-calls";
import { DISGUISES, json, jsonObject, type Disguise, type Json } from "./values";

/** One message that is sent, by the client or by the server. */
export interface Step {
  readonly kind: string;
  readonly from: "client" | "server";
  readonly of: 0 | 1;
  /** Without the id, which is made in the run; `id: "none"` for a notification. */
  readonly message: unknown;
  readonly id: "own" | "none" | "as it is";
  readonly how: Disguise;
}

type Params = Readonly<Record<string, unknown>>;

interface Kind {
  readonly from: Step["from"];
  readonly expects: Expectation;
  readonly message: fc.Arbitrary<unknown>;
  readonly id?: Step["id"];
}

const request = (
  method: string,
  params?: fc.Arbitrary<Params | undefined>,
  expects: Expectation = "both",
): Kind => ({
  from: "client",
  expects,
  message: (params ?? fc.constant({})).map((given) => ({
    jsonrpc: "2.0",
    method,
    ...(given !== undefined && { params: given }),
  })),
});
const fixed = (method: string, params: Params, expects?: Expectation): Kind =>
  request(method, fc.constant(params), expects);
const call = (name: unknown, args: fc.Arbitrary<unknown>, expects: Expectation = "both"): Kind =>
  request(
    "tools/call",
    args.map((given) => ({ name, ...(given !== undefined && { arguments: given }) })),
    expects,
  );
const raw = (message: unknown, id: Step["id"] = "own", expects: Expectation = "denied"): Kind => ({
  from: "client",
  expects,
  message: fc.constant(message),
  id,
});
const notification = (method: string, expects: Expectation): Kind =>
  raw({ jsonrpc: "2.0", method, params: {} }, "none", expects);
const asked = (method: string, params: fc.Arbitrary<unknown>, expects: Expectation = "both"): Kind => ({
  from: "server",
  expects,
  message: params.map((given) => ({ jsonrpc: "2.0", method, params: given })),
});
const said = (message: unknown, expects: Expectation, id: Step["id"] = "as it is"): Kind => ({
  from: "server",
  expects,
  message: fc.constant(message),
  id,
});

const refund = fc.record(
  { amount_cents: fc.integer({ min: 0, max: 100_000 }), note: fc.string({ maxLength: 8 }) },
  { requiredKeys: ["amount_cents"], noNullPrototype: true },
);
const search = fc.record(
  { q: fc.string({ maxLength: 8 }), limit: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant("20")) },
  { requiredKeys: ["q"], noNullPrototype: true },
);
const amounts: Json[] = ["9000", null, [9000], { v: 9000 }, true, 1.5, -1, 100_001];
const unfit = fc.oneof(
  fc.constantFrom(...amounts).map((amount_cents) => ({ amount_cents })),
  fc.constantFrom<unknown>(
    "{}",
    [],
    null,
    7,
    { amount_cents: 1, more: 1 },
    { Amount_cents: 1 },
    {},
    undefined,
  ),
);
const anything = fc.oneof(jsonObject, fc.constant(undefined));
const uri = (method: string): Kind => fixed(method, { uri: "file:///a" });

/** Every kind of message, and what may become of it. */
const KINDS: Readonly<Record<string, Kind>> = {
  ping: fixed("ping", {}, "also reached"),
  initialize: fixed("initialize", { protocolVersion: "2025-06-18", capabilities: {} }),
  "server/discover": fixed("server/discover", {}),
  "tools/list": request("tools/list", fc.constantFrom({}, { cursor: "second" }, undefined)),
  "call of a typed tool": call("refund", refund),
  "call of a tool with another schema": call("search", search),
  "call with arguments of another type": call("refund", unfit, "denied"),
  "call of a free tool": call("free", anything),
  "call of an untyped tool": call("untyped", anything),
  "call of a tool that changes": call("shifty", refund),
  "call of a tool named constructor": call("constructor", refund),
  "call of a tool that is there twice": call("twin", refund, "denied"),
  "call of a tool that is not there": call("toString", refund, "denied"),
  "call of a tool with a glob": call("refund_*", refund, "denied"),
  "call of a tool with a space": call("bad name", refund, "denied"),
  "call without a name": call(undefined, refund, "denied"),
  "call of a name that is no string": call(["refund"], refund, "denied"),
  ...Object.fromEntries(
    Object.entries(INNER_CALLS).map(([kind, [expects, args]]) => [
      `within, ${kind}`,
      call(META_TOOL, args, expects),
    ]),
  ),
  "resources/list": fixed("resources/list", {}),
  "resources/templates/list": fixed("resources/templates/list", {}),
  "resources/read": uri("resources/read"),
  "resources/subscribe": uri("resources/subscribe"),
  "resources/unsubscribe": uri("resources/unsubscribe"),
  "resources/read without a URI": fixed("resources/read", { uri: ["file:///a"] }, "denied"),
  "prompts/list": fixed("prompts/list", {}),
  "prompts/get": request(
    "prompts/get",
    fc.dictionary(fc.constantFrom("a", "b"), fc.string()).map((args) => ({ name: "hello", arguments: args })),
  ),
  "prompts/get with other arguments": fixed("prompts/get", { name: "hello", arguments: { a: 7 } }, "denied"),
  "completion/complete": fixed("completion/complete", {
    ref: { type: "ref/prompt", name: "hello" },
    argument: { name: "a", value: "x" },
  }),
  "completion/complete of two": fixed(
    "completion/complete",
    { ref: { name: "hello", uri: "file:///a" }, argument: { name: "a" } },
    "denied",
  ),
  "logging/setLevel": fixed("logging/setLevel", { level: "debug" }),
  "subscriptions/listen": fixed("subscriptions/listen", {
    notifications: { resourceSubscriptions: ["file:///a", "file:///b"] },
  }),
  "tasks/list": fixed("tasks/list", {}),
  "tasks/get": fixed("tasks/get", { taskId: "task-0" }),
  "tasks/cancel of another's": fixed("tasks/cancel", { taskId: "task-of-another" }, "denied"),
  "unknown method": fixed("tools/evaluate", {}, "denied"),
  "method in another case": fixed("Tools/Call", { name: "refund", arguments: { amount_cents: 1 } }, "denied"),
  "params in a list": raw({ jsonrpc: "2.0", method: "tools/call", params: ["refund"] }),
  "Name beside name": raw({
    jsonrpc: "2.0",
    method: "tools/call",
    params: { name: "refund", Name: "delete", arguments: { amount_cents: 1 } },
  }),
  "Params beside params": raw({ jsonrpc: "2.0", method: "ping", params: {}, Params: { name: "delete" } }),
  "a call that answers": raw({ jsonrpc: "2.0", method: "ping", result: {} }),
  "an answer to nothing": raw({ jsonrpc: "2.0", result: {} }),
  "an error to nothing": raw({ jsonrpc: "2.0", error: { code: 1, message: "no" } }),
  "an id that is null": raw(
    {
      jsonrpc: "2.0",
      id: null,
      method: "tools/call",
      params: { name: "refund", arguments: { amount_cents: 1 } },
    },
    "as it is",
  ),
  "a batch": raw(
    [
      {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "refund", arguments: { amount_cents: 1 } },
      },
    ],
    "as it is",
  ),
  "no message": raw("tools/call", "as it is"),
  "a tool call as a notification": raw(
    { jsonrpc: "2.0", method: "tools/call", params: { name: "refund", arguments: { amount_cents: 1 } } },
    "none",
  ),
  "notifications/initialized": notification("notifications/initialized", "also reached"),
  "notifications/progress": notification("notifications/progress", "also reached"),
  "unknown notification": notification("notifications/execute", "denied"),
  "server: sampling": asked(
    "sampling/createMessage",
    fc.constantFrom({ maxTokens: 100, messages: [] }, { messages: [], includeContext: "allServers" }),
  ),
  "server: elicitation": asked(
    "elicitation/create",
    fc.constantFrom({ message: "Sure?" }, { mode: "url", url: "https://evil.example" }),
  ),
  "server: elicitation in no mode": asked("elicitation/create", fc.constant({ mode: 7 }), "denied"),
  "server: roots": asked("roots/list", fc.constant({})),
  "server: ping": asked("ping", fc.constant({}), "also reached"),
  "server: unknown request": asked(
    "tools/call",
    json.map((given) => ({ given })),
    "denied",
  ),
  "server: params in a list": asked("sampling/createMessage", fc.constant([1]), "denied"),
  "server: notification": said(
    { jsonrpc: "2.0", method: "notifications/message", params: {} },
    "also reached",
  ),
  "server: tools have changed": said(
    { jsonrpc: "2.0", method: "notifications/tools/list_changed" },
    "also reached",
  ),
  "server: unknown notification": said({ jsonrpc: "2.0", method: "notifications/execute" }, "denied"),
  "server: an answer to nothing": said({ jsonrpc: "2.0", id: 99_999, result: { content: [] } }, "denied"),
  "server: a batch": said([{ jsonrpc: "2.0", id: 1, method: "sampling/createMessage" }], "denied"),
  "server: a call that answers": said({ jsonrpc: "2.0", id: 1, method: "ping", result: {} }, "denied"),
};

export const MESSAGE_KINDS: Readonly<Record<string, Expectation>> = Object.fromEntries(
  Object.entries(KINDS).map(([kind, { expects }]) => [`mcp: ${kind}`, expects]),
);

const OFTEN = /^call of|^tasks|^initialize|^server\/discover/;
/** Calls more often than the rest, for all that may be wrong with arguments. */
const weighted = Object.entries(KINDS).flatMap((entry) => {
  const [kind, { expects }] = entry;
  const weight = /^call of a (?:typed|tool with an)/.test(kind) ? 8 : OFTEN.test(kind) ? 3 : 1;
  return Array<typeof entry>(expects === "both" ? weight : 1).fill(entry);
});

export const step: fc.Arbitrary<Step> = fc.constantFrom(...weighted).chain(([name, kind]) => {
  const { from, message, id = "own" } = kind;
  return fc.record({
    kind: fc.constant(`mcp: ${name}`),
    from: fc.constant(from),
    of: either,
    message,
    id: fc.constant(id),
    how:
      from === "client" && name.startsWith("call of")
        ? fc.oneof(fc.constant<Disguise>("as it is"), fc.constantFrom(...DISGUISES))
        : fc.constant<Disguise>("as it is"),
  });
});
