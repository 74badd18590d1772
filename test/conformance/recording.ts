import type { AnyClientTransport } from "hopguard/mcp";

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: unknown;
}

/** What a client got to see of a server. */
export interface Recording {
  /** The answers, by the number and method of the client's request. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** What the server asked of the client, by the number and method of the server's request. */
  readonly asked: Readonly<Record<string, unknown>>;
  /** What the server told, by method, each different message once. */
  readonly told: Readonly<Record<string, readonly unknown[]>>;
}

const RANDOM = "<random>";

/** Times, ids and sessions differ from run to run. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\\"PORT\\": \\"\d+/g, "<port>"],
  [/\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b/g, "<uuid>"],
  [/\b[\da-f]{32}\b/g, "<task>"],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"],
  [/\b\d{1,2}:\d\d:\d\d( [AP]M)?/g, "<time>"],
  [/(Debug|Info|Notice|Warning|Error|Critical|Alert|Emergency)([- ]level|-level)[- ]message/g, RANDOM],
];

/** Listens at a transport that a client is about to be given: the messages that the client sees, whoever has made them. */
export function record(transport: AnyClientTransport): () => Recording {
  const open = transport as AnyClientTransport & { onmessage?: (message: Message, extra?: unknown) => void };
  const methods = new Map<Message["id"], string>();
  const received: Message[] = [];
  const send = open.send.bind(open) as (message: Message, options?: unknown) => Promise<void>;
  Object.assign(open, {
    send: (message: Message, options?: unknown) => {
      if (message.method !== undefined && message.id !== undefined) methods.set(message.id, message.method);
      return send(message, options);
    },
  });
  let listener = open.onmessage;
  Object.defineProperty(open, "onmessage", {
    get: () => listener,
    set(given: typeof listener) {
      listener = (message, extra) => {
        received.push(message);
        given?.(message, extra);
      };
    },
  });

  return () => {
    const answers: Record<string, unknown> = {};
    const asked: Record<string, unknown> = {};
    const told: Record<string, unknown[]> = {};
    for (const { id, method, params, result, error } of received.map(normalised)) {
      if (method === undefined) answers[`${String(id)} ${methods.get(id) ?? "unasked"}`] = error ?? result;
      else if (id !== undefined) asked[`${String(id)} ${method}`] = params;
      else if (isNews(params, (told[method] ??= []))) told[method].push(params);
    }
    return { answers, asked, told };
  };
}

/**
 * The reference server tells some things again when a stream is resumed, and log messages at random when it is asked to. How often a list
 * has changed before a client listens is a matter of milliseconds.
 */
function isNews(params: unknown, before: readonly unknown[]): boolean {
  const text = JSON.stringify(params ?? null);
  return !text.includes(RANDOM) && before.every((earlier) => JSON.stringify(earlier ?? null) !== text);
}

function normalised(message: Message): Message {
  // Some blobs have the time in them.
  const text = JSON.stringify(message, (name, value: unknown) =>
    name === "blob" && typeof value === "string" ? Buffer.from(value, "base64").toString("latin1") : value,
  );
  return JSON.parse(
    VARYING.reduce((steady, [pattern, name]) => steady.replace(pattern, name), text),
  ) as Message;
}
