import type { AnyMcpClient } from "../support/mcp-clients";

/** Options of one request, as both lines of the SDK have them. */
interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { readonly progress: number }) => void;
}

/** Calls a tool; the two lines of the SDK take a call's options in different places. */
export type CallTool = (
  call: { readonly name: string; readonly arguments?: Record<string, unknown> },
  options?: CallOptions,
) => Promise<unknown>;

const document = "demo://resource/static/document/features.md";
const dynamic = "demo://resource/dynamic/text/7";

/** The tools that a call of each does all that there is to see, and what they are called with. */
const CALLS: readonly (readonly [string, Record<string, unknown>?])[] = [
  ["echo", { message: "hello" }],
  ["get-annotated-message", { messageType: "error", includeImage: true }],
  ["get-annotated-message", { messageType: "debug" }],
  ["get-env"],
  ["get-resource-links", { count: 4 }],
  ["get-resource-reference", { resourceType: "Blob", resourceId: 2 }],
  ["get-resource-reference", { resourceType: "Text", resourceId: -1 }],
  ["get-structured-content", { location: "Chicago" }],
  ["get-sum", { a: 2, b: 3.5 }],
  ["get-tiny-image"],
  ["gzip-file-as-resource", { name: "words.gz", data: "data:text/plain,words" }],
  ["gzip-file-as-resource", { name: "more.gz", data: "data:text/plain,more", outputType: "resource" }],
  ["get-roots-list"],
  ["trigger-elicitation-request"],
  ["trigger-url-elicitation", { url: "https://example.com/consent", elicitationId: "e-1" }],
  ["trigger-url-elicitation", { url: "https://example.com/consent", elicitationId: "e-2", errorPath: true }],
  ["trigger-sampling-request", { prompt: "Say hello", maxTokens: 20 }],
  ["toggle-simulated-logging"],
  ["toggle-simulated-logging"],
];

/**
 * Makes every kind of request that the reference server answers, one after the other. Whether one fails is part of what is recorded, and no
 * reason to stop.
 */
export async function tour(client: AnyMcpClient, callTool: CallTool): Promise<void> {
  const steps: readonly (() => Promise<unknown>)[] = [
    () => client.ping(),
    () => logging(client, "debug"),
    () => client.listTools(),
    () => client.listPrompts(),
    () => client.listResources(),
    () => client.listResourceTemplates(),
    () => client.readResource({ uri: document }),
    () => client.readResource({ uri: dynamic }),
    () => client.readResource({ uri: "demo://resource/dynamic/blob/8" }),
    () => client.readResource({ uri: "demo://resource/nowhere" }),
    () => client.getPrompt({ name: "simple-prompt" }),
    () => client.getPrompt({ name: "args-prompt", arguments: { city: "Bern", state: "Bern" } }),
    () => client.getPrompt({ name: "args-prompt", arguments: {} }),
    () => client.getPrompt({ name: "completable-prompt", arguments: { department: "Sales", name: "Eve" } }),
    () => client.getPrompt({ name: "resource-prompt", arguments: { resourceType: "Text", resourceId: "3" } }),
    () => client.getPrompt({ name: "no-such-prompt" }),
    ...CALLS.map(
      ([name, args = {}]) =>
        () =>
          callTool({ name, arguments: args }),
    ),
    () => client.readResource({ uri: "demo://resource/session/words.gz" }),
    () => client.listResources(),
    () =>
      client.complete({
        ref: { type: "ref/prompt", name: "completable-prompt" },
        argument: { name: "department", value: "S" },
      }),
    () =>
      client.complete({
        ref: { type: "ref/prompt", name: "completable-prompt" },
        argument: { name: "name", value: "" },
        context: { arguments: { department: "Marketing" } },
      }),
    () =>
      client.complete({
        ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
        argument: { name: "resourceId", value: "12" },
      }),
    () => client.subscribeResource({ uri: dynamic }),
    () => callTool({ name: "toggle-subscriber-updates" }),
    () => callTool({ name: "toggle-subscriber-updates" }),
    () => client.unsubscribeResource({ uri: dynamic }),
    () =>
      callTool(
        { name: "trigger-long-running-operation", arguments: { duration: 0.3, steps: 3 } },
        { onprogress: () => undefined },
      ),
    () => cancelled(callTool),
    () => logging(client, "error"),
  ];
  for (const step of steps) await step().catch(() => undefined);
}

function logging(client: AnyMcpClient, level: "debug" | "error"): Promise<unknown> {
  return client.setLoggingLevel(level);
}

/** A call that is given up when it is half done. */
function cancelled(callTool: CallTool): Promise<unknown> {
  const controller = new AbortController();
  const onprogress = () => controller.abort();
  const call = { name: "trigger-long-running-operation", arguments: { duration: 4, steps: 4 } };
  return callTool(call, { signal: controller.signal, onprogress });
}
