import type { Agent, Model, ModelProvider, ModelRequest, StreamEvent } from "@openai/agents";
import { ConfigurationError, createGuard, findDenial, type Session } from "hopguard";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { openDesk, type Desk } from "../support/desk";
import { rejection } from "../support/model-sdks";
import { adapterWithout, agentsLines } from "../support/openai-agents";
import { agentPolicies } from "../support/openai-agents-policies";

const lines = await agentsLines();
let desk: Desk;
let session: Session;

beforeAll(async () => {
  desk = await openDesk({ policies: agentPolicies });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  session = await desk.session("analyst");
});

describe.each(lines)("guardAgent with $line", ({ sdk, OpenAI, adapter: { guardAgent } }) => {
  const client = () => new OpenAI({ apiKey: "none", baseURL: desk.provider.openaiBaseURL });
  const agentWith = (config: object = {}): Agent =>
    new sdk.Agent({ name: "Desk", model: "gpt-4o-mini", ...config });
  const guard = (config: object = {}, more: object = {}): Agent =>
    guardAgent(agentWith(config), session, { models: client(), toolset: "desk", ...more });

  /** Says "Hello." word by word; what it is asked is kept. */
  class OtherModel implements Model {
    readonly asked: ModelRequest[] = [];
    pause: () => Promise<void> = () => Promise.resolve();
    readonly output = [
      {
        ...{ type: "message" as const, role: "assistant" as const, status: "completed" as const },
        content: [{ type: "output_text" as const, text: "Hello." }],
      },
    ];
    async getResponse(request: ModelRequest) {
      this.asked.push(request);
      await this.pause();
      return {
        usage: new sdk.Usage({ inputTokens: 7, outputTokens: 3, totalTokens: 10 }),
        output: this.output,
      };
    }
    async *getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
      this.asked.push(request);
      yield { type: "response_started" };
      yield { type: "output_text_delta", delta: "Hello." };
      await this.pause();
      const usage = { inputTokens: 7, outputTokens: 3, totalTokens: 10 };
      yield { type: "response_done", response: { id: "r", usage, output: this.output } };
    }
  }
  const providing = (model: Model): ModelProvider => ({ getModel: () => model });

  describe("and models of another provider", () => {
    it("decides each call before it is made, whole and streamed", async () => {
      const model = new OtherModel();
      const agent = guard({}, { models: providing(model), modelOptions: { provider: "bedrock" } });
      expect((await sdk.run(agent, "Hello?")).finalOutput).toBe("Hello.");
      const stream = await sdk.run(agent, "Hello?", { stream: true });
      for await (const _ of stream);
      expect(model.asked).toHaveLength(2);
      expect(desk.records.map(({ effect, hop }) => [effect, hop.name, hop.action])).toEqual(
        Array(2).fill(["allow", "gpt-4o-mini", "completion"]),
      );
    });

    it("asks no model that is denied", async () => {
      const model = new OtherModel();
      const agent = guard({ model: "gpt-4o" }, { models: providing(model) });
      expect(findDenial(await rejection(sdk.run(agent, "Hello?")))).toMatchObject({
        hop: { name: "gpt-4o" },
      });
      expect(model.asked).toEqual([]);
    });

    it("asks no model to run what it may not, or what nobody can see", async () => {
      const model = new OtherModel();
      const server = sdk.hostedMcpTool({ serverLabel: "elsewhere", serverUrl: "https://mcp.example" });
      for (const config of [
        { tools: [sdk.webSearchTool()] },
        { tools: [server] },
        { prompt: { promptId: "pmpt_1" } },
        { modelSettings: { providerData: { fallbacks: [{ model: "gpt-4o" }] } } },
        { modelSettings: { providerData: { tools: [{ type: "web_search" }] } } },
      ]) {
        const agent = guard(config, { models: providing(model) });
        expect(findDenial(await rejection(sdk.run(agent, "Hello?")))).toBeDefined();
      }
      expect(model.asked).toEqual([]);
    });

    it("ends an answer when authority is withdrawn, though the model goes on", async () => {
      const model = new OtherModel();
      model.pause = async () => {
        await desk.guard.revoke({ session: session.id });
        await new Promise((resolve) => setTimeout(resolve, 5000).unref());
      };
      const agent = guard({}, { models: providing(model) });
      const stream = await sdk.run(agent, "Hello?", { stream: true });
      const ended = async () => {
        for await (const _ of stream);
        await stream.completed;
      };
      expect(findDenial(await rejection(ended()))).toMatchObject({ code: "revoked" });
    });

    it("counts what the model has used", async () => {
      const pdp = stubPdp({ rules: [() => true] });
      session = await createGuard({ pdp, audit: () => undefined, usage: {} }).session({
        principal: { id: "u-1", roles: ["analyst"] },
        agent: { id: "test-agent" },
      });
      const agent = guard({}, { models: providing(new OtherModel()) });
      await sdk.run(agent, "Hello?");
      await sdk.run(agent, "Hello?");
      const [first, second] = pdp.queries.map(({ resource }) => {
        const { usage } = resource.attr.context as { usage: { session: Record<string, number> } };
        return usage.session;
      });
      // The second call finds what the first has used, where its own estimate stands for it.
      expect(second?.input_tokens).toBe(Number(first?.input_tokens) + 7);
      expect(second?.output_tokens).toBe(Number(first?.output_tokens) + 3);
    });
  });

  it("keeps the type of the agent", () => {
    const outputType = z.object({ refunded: z.boolean() });
    const agent = new sdk.Agent<{ readonly user: string }, typeof outputType>({
      ...{ name: "Typed", model: "gpt-4o-mini", outputType },
      instructions: ({ context }) => `Help ${context.user}.`,
    });
    const typed: typeof agent = guardAgent(agent, session, { models: client(), toolset: "desk" });
    expect(typed).toBeInstanceOf(sdk.Agent);
    expect(typed.outputType).toBe(outputType);
  });

  describe("refuses to be built", () => {
    const tool = (name: string) =>
      sdk.tool({ name, description: "", parameters: z.object({}), execute: () => "done" });
    const billing = () => agentWith({ name: "Billing" });
    class OwnAgent extends sdk.Agent {}

    it.each([
      ["without models", () => guard({}, { models: undefined }), /models: expected a client/],
      ["without an owner of the tools", () => guard({}, { toolset: undefined }), /toolset/],
      ["with a name that policies fold", () => guard({}, { toolset: "desk-1" }), /toolset/],
      [
        "with tools that are decided at fetch",
        () => guard({}, { modelOptions: { tools: {} } }),
        /modelOptions.tools/,
      ],
      ["with an unknown option", () => guard({}, { failOpen: true }), /failOpen/],
      [
        "with an API for another provider",
        () => guard({}, { models: { getModel: () => null }, api: "chat" }),
        /api/,
      ],
      ["of a model without a name", () => guard({ model: new OtherModel() }), /no policy knows by name/],
      ["of what is no agent", () => guardAgent({ name: "Desk" } as never, session, {} as never), /models/],
      [
        "of an agent of another class",
        () =>
          guardAgent(new OwnAgent({ name: "Own" }) as Agent, session, { models: client(), toolset: "desk" }),
        /class of its own/,
      ],
      [
        "without a session",
        () => guardAgent(agentWith(), undefined as never, { models: client(), toolset: "desk" }),
        /expected a session/,
      ],
      [
        "with a handoff to an agent without a name for policies",
        () => guard({ handoffs: [billing()] }),
        /"Billing"/,
      ],
      [
        "with an entry for an agent that is not there",
        () => guard({}, { agents: { Billing: { agent: "billing" } } }),
        /"Billing"/,
      ],
      [
        "with conditions of no delegation",
        () => guard({ handoffs: [billing()] }, { agents: { Billing: { agent: "billing", maxDepth: 2 } } }),
        /authorization_details/,
      ],
      [
        "with two agents of one name",
        () => guard({ handoffs: [agentWith()] }, { agents: { Desk: { agent: "desk" } } }),
        /two agents/,
      ],
      [
        "with a server without a name for policies",
        () =>
          guard({
            mcpServers: [new sdk.MCPServerStreamableHttp({ name: "My server", url: "http://localhost" })],
          }),
        /"My server"/,
      ],
      [
        "of a realtime agent, which speaks over a WebSocket",
        () =>
          guardAgent(new sdk.realtime.RealtimeAgent({ name: "Voice" }) as never, session, {
            models: client(),
            toolset: "desk",
          }),
        /"Voice" is of a class of its own/,
      ],
      [
        "with tools that nobody has seen yet",
        () =>
          guard({
            tools: [
              {
                type: "hosted_tool",
                name: "tool_search",
                providerData: { type: "tool_search", execution: "client" },
              },
            ],
          }),
        /"tool_search".*cannot be decided/,
      ],
      [
        "with a shell",
        () => guard({ tools: [sdk.shellTool({ shell: { run: () => Promise.reject(new Error("ran")) } })] }),
        /"shell".*cannot be decided/,
      ],
      [
        "with an editor",
        () => guard({ tools: [sdk.applyPatchTool({ editor: {} as never })] }),
        /"apply_patch"/,
      ],
    ])("%s", (_how, build, message) => {
      const error = (() => {
        try {
          return build();
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(ConfigurationError.isInstance(error)).toBe(true);
      expect((error as Error).message).toMatch(message);
      expect(desk.provider.requests).toEqual([]);
    });

    it("again, or as a copy of the copy, which would be guarded by half", () => {
      const agent = guard({ tools: [tool("lookup")] });
      expect(() => agent.clone({ name: "Copy" })).toThrow(/before it is guarded/);
    });
  });
});

describe("guardAgent beside a version that it does not know", () => {
  it.each(["defineToolInputGuardrail", "invokeFunctionTool"])(
    "that lacks %s says so when it is built",
    async (name) => {
      const { guardAgent } = await adapterWithout(name);
      expect(() => guardAgent({ name: "Desk" } as never, session, { models: {} as never })).toThrow(
        /version of @openai\/agents.*0\.5\.0 and 0\.20\.0 are tested/,
      );
    },
  );
});
