import { callsWithin, META_TOOL, type CallWithin } from "./inner-calls";
import type { MemoryServer, Message, Sent } from "./mcp-server";
import type { Need } from "./oracle";
import { Violation } from "./violation";
import { refundSchema, runSchema, searchSchema } from "./schemas";

/** What the operator has set up for the server. */
export interface ServerSetup {
  readonly untyped: "deny" | "allow";
  /** Whether `search` has a schema of the operator's, which changes the arguments. */
  readonly overridden: boolean;
  /** What the server asks of the client within the results of tool calls. */
  readonly inputRequest: string | undefined;
}

export const SERVER = "payments";
export const EFFECTS = { refund: "destructive" } as const;
const KIND = `mcp_${SERVER}`;
const TRANSPORT = { transport: "other" };
const NOTIFICATIONS = ["initialized", "cancelled", "progress", "roots/list_changed"];

const isObject = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function onServer(action: string, attr: Need["attr"]): Need {
  return { kind: KIND, name: SERVER, action, attr: { server: SERVER, ...attr } };
}

/** What somebody must have allowed for a message to be with the server. */
export function hopsToServer(
  setup: ServerSetup,
  server: MemoryServer,
  { text }: Sent,
  began: number,
  isAsked: (id: unknown) => boolean,
): readonly Need[] {
  const message = JSON.parse(text) as unknown;
  if (!isObject(message)) throw new Violation("What came to the server is no single message:", message);
  assertSingleMeaning(message);
  const { method, id, params = {} } = message;
  if (typeof method !== "string") return answer(message, isAsked);
  if ("result" in message || "error" in message) throw new Violation("A call came that answers:", message);
  if (!isObject(params)) throw new Violation("Params that have no names:", message);
  if (!("id" in message)) {
    if (NOTIFICATIONS.some((known) => method === `notifications/${known}`)) return [];
    throw new Violation("A notification came to the server that nobody knows:", message);
  }
  if (typeof id !== "string" && typeof id !== "number") throw new Violation("A call without an id:", message);
  return request(setup, server, method, params, began);
}

/** A client answers what it was asked, and only that. */
function answer({ id, error, result }: Message, isAsked: (id: unknown) => boolean): readonly Need[] {
  const isRefusal = isObject(error) && error.code === -31403 && result === undefined;
  if (!isRefusal && !isAsked(id)) throw new Violation("The server was answered what nobody was asked:", id);
  return [];
}

function request(
  setup: ServerSetup,
  server: MemoryServer,
  method: string,
  params: Message,
  began: number,
): readonly Need[] {
  const { uri, name, arguments: args, level, ref, argument, notifications, taskId } = params;
  switch (method) {
    case "ping":
      return [];
    case "initialize":
    case "server/discover":
      return [onServer("initialize", TRANSPORT)];
    case "tools/list":
    case "resources/list":
    case "resources/templates/list":
    case "prompts/list":
    case "tasks/list":
      return [onServer(method, TRANSPORT)];
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return [onServer(method, { uri: text(uri) })];
    case "prompts/get":
      if (!isObject(args ?? {}) || !Object.values(args ?? {}).every((value) => typeof value === "string"))
        throw new Violation("A prompt with arguments of another type:", params);
      return [onServer(`prompts/get/${text(name)}`, { prompt: name, arguments: args })];
    case "completion/complete": {
      const { name: prompt, uri: place } = ref as Message;
      return [onServer(method, { prompt, uri: place, argument: (argument as Message).name })];
    }
    case "logging/setLevel":
      return [onServer(method, { ...TRANSPORT, level: text(level) })];
    case "subscriptions/listen": {
      const { resourceSubscriptions: uris = [] } = notifications as { resourceSubscriptions?: unknown[] };
      const listening = onServer(method, TRANSPORT);
      return [listening, ...uris.map((one) => onServer("resources/subscribe", { uri: text(one) }))];
    }
    case "tasks/get":
    case "tasks/cancel": {
      const tool = server.tasks.get(text(taskId));
      if (tool === undefined) throw new Violation("A task was asked for that is another's:", taskId);
      return [onServer(method, { tool, task_id: taskId })];
    }
    case "tools/call":
      return [
        { kind: KIND, name: SERVER, tool: text(name), args, isElsewhere: false },
        ...(name === META_TOOL ? callsWithin(args, KIND) : []),
      ].map((each) => {
        assertCallable(setup, server, each, began);
        return onCall(each);
      });
    default:
      throw new Violation("A method came to the server that nobody knows:", method);
  }
}

function onCall({ kind, name, tool, args, isElsewhere }: CallWithin): Need {
  const effect = tool === "refund" && !isElsewhere ? EFFECTS.refund : undefined;
  const owner = { [kind.startsWith("mcp_") ? "server" : "toolset"]: name };
  return { kind, name, action: `tools/call/${tool}`, attr: { tool, arguments: args, effect, ...owner } };
}

/** Types before policy, and definitions that stay as they were first seen. Of what is called elsewhere nobody here knows any. */
function assertCallable(
  { untyped, overridden }: ServerSetup,
  { shiftedAt }: MemoryServer,
  { tool, args, isElsewhere }: CallWithin,
  began: number,
): void {
  const isVoid = args === undefined || (isObject(args) && Object.keys(args).length === 0);
  const isTyped = {
    refund: () => refundSchema.accepts(args),
    constructor: () => refundSchema.accepts(args),
    shifty: () => refundSchema.accepts(args) && !(shiftedAt !== undefined && shiftedAt < began),
    search: () => (overridden ? searchSchema.accepts(args) : accepted(args)),
    free: () => isVoid || (untyped === "allow" && isObject(args)),
    untyped: () => untyped === "allow" && (args === undefined || isObject(args)),
    run: () => runSchema.accepts(args),
    /** Which only another tool calls: it is not on the list. */
    toString: () => untyped === "allow" && isObject(args),
  };
  const isFit = isElsewhere
    ? untyped === "allow" && isObject(args)
    : Object.hasOwn(isTyped, tool) && isTyped[tool as keyof typeof isTyped]();
  if (!isFit) throw new Violation("A tool was called that should not have been:", tool, args);
}

function accepted(args: unknown): boolean {
  return (
    isObject(args) &&
    searchSchema.accepts({ limit: 10, ...args, q: String(args.q).trim() }) &&
    typeof args.q === "string"
  );
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new Violation("What the policy decides on is no string:", value);
}

/** No two members of a message or its params that a reader without regard to case would take for one. */
function assertSingleMeaning(message: Message): void {
  for (const object of [message, message.params, isObject(message.params) ? message.params.arguments : {}]) {
    const names = isObject(object) ? Object.keys(object).map((name) => name.toLowerCase()) : [];
    if (new Set(names).size < names.length) throw new Violation("Members that differ only in case:", names);
  }
}

/** What somebody must have allowed for the client to see a server's request, or one that stands in a result. */
export function hopsToClient({ method, params = {} }: Message): readonly Need[] {
  if (!isObject(params)) throw new Violation("The client was asked without names:", params);
  switch (method) {
    case "ping":
      return [];
    case "sampling/createMessage":
      return [
        onServer(method, {
          ...TRANSPORT,
          max_tokens: params.maxTokens,
          include_context: params.includeContext,
        }),
      ];
    case "elicitation/create":
      return [onServer(method, { ...TRANSPORT, mode: text(params.mode ?? "form"), url: params.url })];
    case "roots/list":
      return [onServer(method, TRANSPORT)];
    default:
      throw new Violation("The client was asked something that nobody knows:", method);
  }
}
