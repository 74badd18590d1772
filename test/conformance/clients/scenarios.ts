import type { Session } from "hopguard";
import { connect, type ClientWishes, type Connected, type Context, type Line } from "./line";
import { SelfConsentingUser } from "./oauth";

/** What a client does in a scenario once it is connected. */
interface Behaviour extends ClientWishes {
  readonly act: (connected: Connected, context: Context) => Promise<void>;
}

const listTools: Behaviour["act"] = async ({ client, consented }) => {
  await consented(() => client.listTools());
};

const call =
  (name: string, args: Record<string, unknown> = {}): Behaviour["act"] =>
  async ({ client, consented }) => {
    await consented(() => client.listTools());
    await consented(() => client.callTool({ name, arguments: args }));
  };

/** Calls whatever is listed. A tool that answers with an error is no reason to leave out the next. */
const callAll =
  (args: Record<string, unknown>): Behaviour["act"] =>
  async ({ client }) => {
    const { tools } = await client.listTools();
    for (const { name } of tools) await client.callTool({ name, arguments: args }).catch(() => undefined);
  };

const useEverything: Behaviour["act"] = async (connected) => {
  const { client } = connected;
  await callAll({})(connected, {});
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name, arguments: {} });
};

const callAsTold: Behaviour["act"] = async ({ client }, context) => {
  await client.listTools();
  const calls = JSON.parse(context.toolCalls ?? "[]") as Parameters<typeof client.callTool>[0][];
  for (const told of calls) await client.callTool(told);
};

const echoSchema: Behaviour["act"] = async ({ client }) => {
  const { tools } = await client.listTools();
  const tool = tools.find(({ name }) => name === "json_schema_2020_12_tool");
  await client.callTool({ name: "json_schema_echo", arguments: { schema: tool?.inputSchema } });
};

/** The scenarios in which a client has to do something of their own. */
const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  tools_call: { act: call("add_numbers", { a: 5, b: 3 }) },
  "elicitation-sep1034-client-defaults": {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    elicited: {},
    act: call("test_client_elicitation_defaults"),
  },
  "sse-retry": { act: call("test_reconnection") },
  "request-metadata": {
    capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: {} },
    act: () => Promise.resolve(),
  },
  "sep-2322-client-request-state": {
    capabilities: { elicitation: {} },
    elicited: { confirmed: true },
    act: callAll({}),
  },
  "http-standard-headers": { act: useEverything },
  "http-custom-headers": { act: callAsTold },
  "http-invalid-tool-headers": { act: callAll({ region: "us-west1" }) },
  "json-schema-2020-12-preservation": { act: echoSchema },
};

const MACHINES: Readonly<Record<string, string>> = {
  "auth/client-credentials-jwt": "privateKeyJwt",
  "auth/client-credentials-basic": "clientCredentials",
  "auth/enterprise-managed-authorization": "crossAppAccess",
  "auth/cross-app-access-complete-flow": "crossAppAccess",
};

function behaviourIn(scenario: string, line: Line, context: Context): Behaviour {
  const machine = line.machines[MACHINES[scenario] ?? ""];
  if (machine) return { machine, act: listTools };
  if (!scenario.startsWith("auth/")) return BEHAVIOURS[scenario] ?? { act: listTools };
  const { client_id, client_secret } = context;
  const isRegistered = client_id !== undefined && client_secret !== undefined;
  return {
    user: new SelfConsentingUser(isRegistered ? { client_id, client_secret } : undefined),
    act: call("test-tool"),
  };
}

/** Plays the client's part in one of the suite's scenarios. Rejects when the server, or the SDK, will not have it. */
export async function play(line: Line, url: URL, session: Session | undefined): Promise<void> {
  const { MCP_CONFORMANCE_SCENARIO: scenario = "initialize", MCP_CONFORMANCE_CONTEXT: given = "{}" } =
    process.env;
  const context = Object.fromEntries(
    Object.entries(JSON.parse(given) as Record<string, unknown>).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  const { act, ...wishes } = behaviourIn(scenario, line, context);
  const connected = await connect(line, url, { ...wishes, session, context });
  await act(connected, context);
  await connected.client.close();
}
