import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { sdk1, sdk2, type AnyMcpClient } from "../support/mcp-clients";
import { answerAsked, tourTasks } from "./everything-tasks";
import { tour } from "./everything-tour";

/** A client that can do whatever it may be asked, and the requests that it makes of the reference server. */
export interface Tourist {
  readonly client: AnyMcpClient;
  readonly sdk: typeof sdk1 | typeof sdk2;
  readonly visit: () => Promise<void>;
}

const info = { name: "hopguard-test", version: "1.0.0" };
const capabilities = { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } };

const ROOTS = { roots: [{ uri: "file:///project", name: "project" }] };

const SAMPLED = {
  model: "local",
  role: "assistant" as const,
  content: { type: "text" as const, text: "Hello from the model." },
};

const filledIn = (mode: string | undefined) =>
  mode === "url"
    ? { action: "decline" as const }
    : { action: "accept" as const, content: { name: "Ada", check: true, interpretation: "snake" } };

/** SDK 1, the line that has tasks. */
export function tourist1(): Tourist {
  const requests = { sampling: { createMessage: {} }, elicitation: { create: {} } };
  const client = new sdk1.Client(info, {
    capabilities: { ...capabilities, tasks: { list: {}, cancel: {}, requests } },
    taskStore: new InMemoryTaskStore(),
  });
  client.setRequestHandler(ListRootsRequestSchema, () => ROOTS);
  client.setRequestHandler(CreateMessageRequestSchema, (_request, extra) => answerAsked(SAMPLED, extra));
  client.setRequestHandler(ElicitRequestSchema, ({ params }, extra) =>
    answerAsked(filledIn(params.mode), extra),
  );
  const visit = async () => {
    await tour(client, (call, options) => client.callTool(call, undefined, options));
    await tourTasks(client);
  };
  return { client, sdk: sdk1, visit };
}

/** SDK 2, which opens a server of an older revision as such, or finds out. */
export function tourist2(mode?: "auto"): Tourist {
  const client = new sdk2.Client(info, { capabilities, ...(mode && { versionNegotiation: { mode } }) });
  client.setRequestHandler("roots/list", () => ROOTS);
  client.setRequestHandler("sampling/createMessage", () => SAMPLED);
  client.setRequestHandler("elicitation/create", ({ params }) => filledIn(params.mode));
  return { client, sdk: sdk2, visit: () => tour(client, (call, options) => client.callTool(call, options)) };
}
