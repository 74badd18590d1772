import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  type CallToolResult,
  type InputRequests,
  type InputRequiredResult,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";

/** What a tool wants to find again on the next round: revision 2026-07-28 has no session that would remember it. */
interface Round {
  readonly round: number;
  readonly name?: unknown;
}

/** Seals it, because it goes by way of the client. */
export const rounds = createRequestStateCodec<Round>({ key: crypto.getRandomValues(new Uint8Array(32)) });

const text = (words: string): CallToolResult => ({ content: [{ type: "text", text: words }] });

const STRING = { type: "string" } as const;
const BOOLEAN = { type: "boolean" } as const;

const form = (message: string, field: string, type: typeof STRING | typeof BOOLEAN = STRING) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { [field]: type }, required: [field] },
  });

const sampling = (words: string) =>
  inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: words } }],
    maxTokens: 100,
  });

const askAll = (): Required<Record<"user_name" | "greeting" | "client_roots", InputRequests[string]>> => ({
  user_name: form("What is your name?", "name"),
  greeting: sampling("Generate a greeting"),
  client_roots: inputRequired.listRoots(),
});

/** What the client has answered to a form, if its user accepted it. */
const accepted = ({ mcpReq }: ServerContext, form: string, field: string): unknown =>
  acceptedContent(mcpReq.inputResponses, form)?.[field];

const answered = ({ mcpReq }: ServerContext, name: string): unknown => mcpReq.inputResponses?.[name];

type Answer = CallToolResult | InputRequiredResult;

/** Tools that ask within their result and are called again with the answer. */
const TOOLS: Readonly<Record<string, (context: ServerContext) => Answer | Promise<Answer>>> = {
  test_input_required_result_elicitation(context) {
    const name = accepted(context, "user_name", "name");
    if (typeof name === "string") return text(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: askAll().user_name } });
  },

  test_input_required_result_sampling(context) {
    const answer = answered(context, "capital_question");
    if (answer !== undefined) return text(`Sampling response: ${JSON.stringify(answer)}`);
    return inputRequired({ inputRequests: { capital_question: sampling("What is the capital of France?") } });
  },

  test_input_required_result_list_roots(context) {
    const answer = answered(context, "client_roots");
    if (answer !== undefined) return text(`Roots: ${JSON.stringify(answer)}`);
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  },

  async test_input_required_result_request_state(context) {
    const state = context.mcpReq.requestState<Round>();
    if (state && accepted(context, "confirm", "ok") !== undefined) return text("state-ok");
    return inputRequired({
      inputRequests: { confirm: form("Please confirm", "ok", BOOLEAN) },
      requestState: await rounds.mint({ round: 1 }),
    });
  },

  async test_input_required_result_tampered_state(context) {
    const state = context.mcpReq.requestState<Round>();
    if (state && accepted(context, "confirm", "ok") !== undefined) return text("integrity-ok");
    return inputRequired({
      inputRequests: { confirm: form("Please confirm", "ok", BOOLEAN) },
      requestState: await rounds.mint({ round: 1 }),
    });
  },

  async test_input_required_result_multiple_inputs(context) {
    const asked = askAll();
    if (Object.keys(asked).every((name) => answered(context, name) !== undefined)) {
      return text(JSON.stringify(context.mcpReq.inputResponses));
    }
    return inputRequired({ inputRequests: asked, requestState: await rounds.mint({ round: 1 }) });
  },

  async test_input_required_result_multi_round(context) {
    const state = context.mcpReq.requestState<Round>();
    if (state?.round === 2) {
      return text(`${String(state.name)} likes ${String(accepted(context, "step2", "color"))}`);
    }
    if (state?.round === 1) {
      const name = accepted(context, "step1", "name");
      return inputRequired({
        inputRequests: { step2: form("Step 2: What is your favourite colour?", "color") },
        requestState: await rounds.mint({ round: 2, name }),
      });
    }
    return inputRequired({
      inputRequests: { step1: form("Step 1: What is your name?", "name") },
      requestState: await rounds.mint({ round: 1 }),
    });
  },

  /** Asks for what the client has said it can answer, and for nothing else. */
  test_input_required_result_capabilities(context) {
    if (context.mcpReq.inputResponses !== undefined) return text("answered");
    const envelope = context.mcpReq.envelope as Readonly<Record<string, object>> | undefined;
    const declared = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
    const { user_name, greeting, client_roots } = askAll();
    const inputRequests = {
      ...("elicitation" in declared && { user_name }),
      ...("sampling" in declared && { greeting }),
      ...("roots" in declared && { client_roots }),
    };
    return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : text("nothing to ask");
  },

  /** Needs a capability: the SDK refuses a client that has not declared it. */
  test_missing_capability(context) {
    if (answered(context, "llm_answer") !== undefined) return text("answered");
    return inputRequired({ inputRequests: { llm_answer: sampling("Reply with the single word: pong") } });
  },
};

export function registerInputRequiredTools(server: McpServer): void {
  for (const [name, answer] of Object.entries(TOOLS)) {
    server.registerTool(name, { description: `Asks within its result (${name}).` }, answer);
  }
  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Asks for its context." },
    // Without arguments a prompt is given the context alone, which the SDK's types do not say.
    (given: unknown) => {
      const context = accepted(given as ServerContext, "user_context", "context");
      if (typeof context !== "string") {
        return inputRequired({ inputRequests: { user_context: form("Which context?", "context") } });
      }
      return { messages: [{ role: "user" as const, content: { type: "text" as const, text: context } }] };
    },
  );
}
