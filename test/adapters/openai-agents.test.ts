import type { Agent, AgentInputItem, FunctionTool } from "@openai/agents";
import { findDenial, memoryState, type AttributeProvider, type Session, type StateStore } from "hopguard";
import type { GuardAgentOptions } from "hopguard/openai-agents";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Turn, TurnRequest } from "../../examples/shared/local-provider";
import { openDesk, type Desk } from "../support/desk";
import { rejection } from "../support/model-sdks";
import { agentsLines } from "../support/openai-agents";
import { agentPolicies } from "../support/openai-agents-policies";
import { deadPdp } from "../support/other-pdps";

const lines = await agentsLines();

/** The model's turns, one a request; what is asked beyond them is answered with "Done.". */
let turns: ((request: TurnRequest) => Turn)[];
/** What each request was. */
let asked: TurnRequest[];
/** The arguments that reached a tool, by its name. */
let ran: [string, unknown][];
/** What the enrichment finds out. */
let isApproved: boolean;

let desk: Desk;
let session: Session;

const approval: AttributeProvider = {
  name: "approval",
  applies: ({ action }) => action === "tools/call/refund",
  provide: () => Promise.resolve({ granted: isApproved }),
};

beforeAll(async () => {
  desk = await openDesk({
    policies: agentPolicies,
    provider: {
      turn: (request) => {
        asked.push(request);
        return turns.shift()?.(request) ?? { text: "Done." };
      },
    },
  });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  [turns, asked, ran, isApproved] = [[], [], [], false];
  session = await newSession();
});

const newSession = (guard = {}): Promise<Session> =>
  desk.session("analyst", { guard: { enrich: [approval], ...guard } });

const call = (name: string, args: unknown = {}) => ({ name, arguments: args });
const calls = (...toolCalls: ReturnType<typeof call>[]) => turns.push(() => ({ toolCalls }));
/** What the tools of the last turn answered, as the model read it. */
const read = (): string[] => asked.at(-1)?.toolResults.map(({ text }) => text) ?? [];
const requests = (): number => desk.provider.requests.length;
const decided = () =>
  desk.records
    .filter(({ flags }) => !flags.includes("look_up"))
    .map(({ effect, hop }) => `${effect} ${hop.kind} ${hop.action}`);

/** A store that tells what is settled. */
function settling(): { readonly state: StateStore; readonly settled: readonly string[] } {
  const settled: string[] = [];
  const counter = memoryState();
  const state: StateStore = {
    ...counter,
    session: (...args) => {
      const own = counter.session(...args);
      return {
        ...own,
        settle: (change) => {
          settled.push(`${change.outcome} ${change.action}`);
          return own.settle(change);
        },
      };
    },
  };
  return { state, settled };
}

describe.each(lines)("guardAgent with $line", ({ sdk, OpenAI, adapter: { guardAgent, agentTool } }) => {
  const runs =
    (name: string, answer: (args: unknown) => unknown = () => "done") =>
    (args: unknown) => {
      ran.push([name, args]);
      return answer(args);
    };
  const amount = z.object({ amount_cents: z.number().int() });
  const tool = (name: string, parameters: z.ZodObject = z.object({}), answer?: (args: unknown) => unknown) =>
    sdk.tool({ name, description: name, parameters, execute: runs(name, answer) });
  const refund = () => tool("refund", amount);
  const lookup = () => tool("lookup");

  const options = (more: Partial<GuardAgentOptions> = {}): GuardAgentOptions => ({
    models: new OpenAI({ apiKey: "none", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
    toolset: "desk",
    stepUp: "deny",
    ...more,
  });
  const guarded = (config: object = {}, more: Partial<GuardAgentOptions> = {}, by = session): Agent =>
    guardAgent(
      new sdk.Agent({ name: "Desk", instructions: "Help.", model: "gpt-4o-mini", ...config }),
      by,
      options(more),
    );
  const run = (agent: Agent, input: string | AgentInputItem[] = "Go on.") => sdk.run(agent, input);
  const stream = async (agent: Agent) => {
    const result = await sdk.run(agent, "Go on.", { stream: true });
    for await (const _ of result);
    await result.completed;
    return result;
  };

  describe("models", () => {
    it.each(["chat", "responses"] as const)("answer through %s, whole and streamed", async (api) => {
      const agent = guarded({}, { api });
      expect((await run(agent)).finalOutput).toBe("Done.");
      expect((await stream(agent)).finalOutput).toBe("Done.");
      expect(desk.provider.requests.map(({ path }) => path)).toEqual(
        Array(2).fill(api === "chat" ? "/v1/chat/completions" : "/v1/responses"),
      );
    });

    it.each(["chat", "responses"] as const)("that are denied are never asked through %s", async (api) => {
      const agent = guarded({ model: "gpt-4o" }, { api });
      for (const running of [run(agent), stream(agent)])
        expect(findDenial(await rejection(running))).toMatchObject({
          code: "policy_denied",
          hop: { name: "gpt-4o", action: "completion" },
        });
      expect(requests()).toBe(0);
    });

    it("are the agent's, whatever a run is configured with", async () => {
      const elsewhere = new sdk.OpenAIProvider({ apiKey: "none", baseURL: desk.elsewhere.openaiBaseURL });
      const runner = new sdk.Runner({ model: "gpt-4o", modelProvider: elsewhere });
      await runner.run(guarded(), "Go on.");
      expect(desk.provider.requests.map(({ body }) => (body as { model: string }).model)).toEqual([
        "gpt-4o-mini",
      ]);
      expect(desk.elsewhere.requests).toEqual([]);
      expect(() => Object.assign(guarded(), { model: "gpt-4o" })).toThrow(TypeError);
    });

    it("are not asked to run what they may not run themselves", async () => {
      const tools = [sdk.webSearchTool()];
      const error = await rejection(run(guarded({ tools })));
      expect(findDenial(error)).toMatchObject({ hop: { action: "hosted_tools/web_search" } });
      expect(requests()).toBe(0);
    });

    it("are not asked while the PDP is down", async () => {
      const agent = guarded(
        { tools: [lookup()] },
        { api: "chat" },
        await desk.session("analyst", { pdp: await deadPdp() }),
      );
      expect(findDenial(await rejection(run(agent)))).toMatchObject({ code: "pdp_unavailable" });
      const [tool] = agent.tools as FunctionTool[];
      expect(await tool?.invoke(new sdk.RunContext(), "{}")).toContain("pdp_unavailable");
      expect(ran).toEqual([]);
      expect(requests()).toBe(0);
    });
  });

  describe("tools", () => {
    it("run on the arguments that were checked, and are counted as done", async () => {
      calls(call("refund", { amount_cents: 4000 }));
      const result = await run(guarded({ tools: [refund()] }));
      expect(ran).toEqual([["refund", { amount_cents: 4000 }]]);
      expect(read()).toEqual(["done"]);
      expect(result.finalOutput).toBe("Done.");
      expect(decided()).toEqual([
        "allow llm_model completion",
        "allow tool_desk tools/call/refund",
        "allow llm_model completion",
      ]);
    });

    it.each(["whole", "streamed"])("that run in parallel get each their own decision, %s", async (way) => {
      calls(
        call("refund", { amount_cents: 4000 }),
        call("refund", { amount_cents: 9000 }),
        call("lookup"),
        call("erase"),
      );
      const agent = guarded({ tools: [refund(), lookup(), tool("erase")] });
      await (way === "whole" ? run(agent) : stream(agent));
      expect(ran).toHaveLength(2);
      expect(ran).toContainEqual(["refund", { amount_cents: 4000 }]);
      expect(ran).toContainEqual(["lookup", {}]);
      const [, tooMuch, , erased] = read();
      expect(read()).toHaveLength(4);
      expect(tooMuch).toContain('"reason":"refund cap exceeded"');
      expect(tooMuch).toContain('"approvers_role":"lead"');
      expect(tooMuch).toMatch(/Do not retry the same call\.$/);
      expect(erased).toContain("nothing is erased here");
    });

    it("tell the application what was denied, in the SDK's own place", async () => {
      calls(call("refund", { amount_cents: 9000 }));
      const { toolInputGuardrailResults } = await run(guarded({ tools: [refund()] }));
      const [denial] = toolInputGuardrailResults.map(({ output }) => findDenial(output.outputInfo));
      expect(denial).toMatchObject({ code: "policy_denied", hop: { action: "tools/call/refund" } });
    });

    it("whose output is typed are denied like others, where the SDK itself would end the run", async () => {
      const typed = sdk.tool({
        ...{ name: "refund", description: "refund", parameters: amount },
        outputSchema: z.object({ ok: z.boolean() }),
        execute: (args) => ({ ok: ran.push(["refund", args]) > 0 }),
      });
      const agent = guarded({ tools: [typed] });
      calls(call("refund", { amount_cents: 9000 }));
      const { finalOutput, toolInputGuardrailResults } = await run(agent);
      expect(finalOutput).toBe("Done.");
      expect(read()[0]).toMatch(/refund cap exceeded.*Do not retry the same call\./);
      const [denial] = toolInputGuardrailResults.map(({ output }) => findDenial(output.outputInfo));
      expect(denial).toMatchObject({ code: "policy_denied", hop: { action: "tools/call/refund" } });
      expect(ran).toEqual([]);
      expect(decided().filter((decision) => decision.includes("refund"))).toEqual([
        "deny tool_desk tools/call/refund",
      ]);
      calls(call("refund", { amount_cents: 10 }));
      await run(agent);
      expect(ran).toEqual([["refund", { amount_cents: 10 }]]);
    });

    it("that may never be used are not shown, and denied all the same", async () => {
      calls(call("erase"), call("lookup"));
      await run(guarded({ tools: [tool("erase"), lookup()] }));
      expect(asked[0]?.tools).toEqual(["lookup"]);
      expect(read()[0]).toContain("nothing is erased here");
      expect(ran).toEqual([["lookup", {}]]);
    });

    it("that no option knows are not shown, and denied by name", async () => {
      calls(call("refund", { amount_cents: 1 }));
      await run(
        guarded({ tools: [refund(), lookup()] }, {
          toolset: undefined,
          tools: { lookup: { toolset: "desk" } },
        } as never),
      );
      expect(asked[0]?.tools).toEqual(["lookup"]);
      expect(read()[0]).toMatch(/unsupported_hop.*\brefund\b/);
      expect(ran).toEqual([]);
    });

    it("named like an object's members are only names", async () => {
      calls(call("constructor"), call("toString"));
      await run(guarded({ tools: [tool("constructor"), tool("toString")] }));
      expect(ran).toEqual([["constructor", {}]]);
      expect(read()[1]).toContain("policy_denied");
    });

    it("run on what was checked, though the call is changed after it", async () => {
      calls(call("refund", { amount_cents: 4000 }));
      const agent = guarded({ tools: [refund()] });
      agent.on("agent_tool_start", (_context, _tool, { toolCall }) => {
        Object.assign(toolCall, { arguments: '{"amount_cents":9000}' });
      });
      await run(agent);
      expect(ran).toEqual([["refund", { amount_cents: 4000 }]]);
    });

    it("get no arguments that are not what their schema says", async () => {
      calls(
        call("refund", { amount_cents: "4000" }),
        call("refund", {}),
        call("refund", '{"amount_cents":1,"amount_cents":2}'),
      );
      await run(guarded({ tools: [refund()] }));
      expect(ran).toEqual([]);
      expect(read()).toHaveLength(3);
      for (const text of read()) expect(text).toContain("arguments_invalid");
    });

    it("are guarded when they are added later", async () => {
      const agent = guarded({ tools: [lookup()] });
      agent.tools.push(tool("erase"));
      calls(call("erase"));
      await run(agent);
      expect(read()[0]).toContain("nothing is erased here");
      expect(ran).toEqual([]);
    });

    it("are decided by whatever way they are called", async () => {
      const [first] = guarded({ tools: [refund()] }).tools;
      if (first?.type !== "function") throw new Error("no function");
      const context = new sdk.RunContext();
      expect(await first.invoke(context, '{"amount_cents":9000}')).toContain("refund cap exceeded");
      expect(await first.invoke(context, '{"amount_cents":4000}')).toBe("done");
      expect(ran).toEqual([["refund", { amount_cents: 4000 }]]);
    });

    it("are withdrawn from a run that is revoked", async () => {
      const revoke = tool("lookup", z.object({}), async () => {
        await desk.guard.revoke({ session: session.id });
        await new Promise((resolve) => setTimeout(resolve, 3000).unref());
        return "too late";
      });
      session = await desk.session("analyst");
      calls(call("lookup"));
      const error = await rejection(run(guarded({ tools: [revoke] })));
      expect(findDenial(error)).toMatchObject({ code: "revoked" });
      expect(requests()).toBe(1);
    });

    it("do not keep what was reserved for a call that a hook prevents", async () => {
      const { state, settled } = settling();
      calls(call("lookup"));
      const agent = guarded({ tools: [lookup()] }, {}, await newSession({ state }));
      agent.on("agent_tool_start", () => {
        throw new Error("not now");
      });
      await rejection(run(agent));
      expect(ran).toEqual([]);
      await expect.poll(() => settled, { timeout: 3000 }).toContain("failed tools/call/lookup");
    });

    it("keep the SDK's own guardrails, which come first", async () => {
      const own = sdk.tool({
        name: "refund",
        description: "",
        parameters: amount,
        execute: runs("refund"),
        inputGuardrails: [
          sdk.defineToolInputGuardrail({
            name: "never",
            run: () => Promise.resolve(sdk.ToolGuardrailFunctionOutputFactory.rejectContent("Not today.")),
          }),
        ],
      });
      calls(call("refund", { amount_cents: 1 }));
      await run(guarded({ tools: [own] }));
      expect(read()).toEqual(["Not today."]);
      expect(decided()).not.toContain("allow tool_desk tools/call/refund");
    });
  });

  describe("a step-up", () => {
    const interrupted = async () => {
      calls(call("refund", { amount_cents: 9000 }), call("lookup"));
      const agent = guarded({ tools: [refund(), lookup()] }, { stepUp: "interrupt" });
      const result = await run(agent);
      expect(result.interruptions.map(({ name }) => name)).toEqual(["refund"]);
      expect(requests()).toBe(1);
      return { agent, state: result.state, interruption: result.interruptions[0] as never };
    };

    it("interrupts the run, and an approval in the SDK alone allows nothing", async () => {
      const { agent, state, interruption } = await interrupted();
      state.approve(interruption, { alwaysApprove: true });
      await sdk.run(agent, state);
      expect(ran).toEqual([["lookup", {}]]);
      expect(read().join()).toContain("refund cap exceeded");
    });

    it("goes on when the policy, asked again, allows it", async () => {
      const { agent, state, interruption } = await interrupted();
      isApproved = true;
      state.approve(interruption);
      const result = await sdk.run(agent, state);
      expect(result.finalOutput).toBe("Done.");
      expect(ran).toContainEqual(["refund", { amount_cents: 9000 }]);
      expect(decided()).toContain("allow tool_desk tools/call/refund");
    });

    it("is asked again in the process where a saved run is resumed", async () => {
      const { agent, state } = await interrupted();
      const resumed = await sdk.RunState.fromString(agent, state.toString());
      resumed.approve(resumed.getInterruptions()[0] as never);
      await sdk.run(agent, resumed);
      expect(ran).toEqual([["lookup", {}]]);
      expect(read().join()).toContain("refund cap exceeded");
    });

    const asksFirst = new sdk.Runner({ toolExecution: { preApprovalInputGuardrails: true } });

    it("is asked for although the SDK runs the guardrails before", async () => {
      calls(call("refund", { amount_cents: 9000 }));
      const agent = guarded({ tools: [refund()] }, { stepUp: "interrupt" });
      const { interruptions, state } = await asksFirst.run(agent, "Go on.");
      expect(interruptions.map(({ name }) => name)).toEqual(["refund"]);
      isApproved = true;
      state.approve(interruptions[0] as never);
      await asksFirst.run(agent, state);
      expect(ran).toEqual([["refund", { amount_cents: 9000 }]]);
      expect(decided().filter((each) => each.endsWith("refund"))).toEqual([
        "allow tool_desk tools/call/refund",
      ]);
    });

    it("of the tool's own keeps nothing reserved that was decided before it", async () => {
      const { state, settled } = settling();
      calls(call("lookup"));
      const own = sdk.tool({
        ...{ name: "lookup", description: "", parameters: z.object({}) },
        needsApproval: true,
        execute: runs("lookup"),
      });
      const agent = guarded({ tools: [own] }, {}, await newSession({ state }));
      const first = await asksFirst.run(agent, "Go on.");
      first.state.approve(first.interruptions[0] as never);
      await asksFirst.run(agent, first.state);
      expect(ran).toEqual([["lookup", {}]]);
      const allowed = decided().filter((each) => each === "allow tool_desk tools/call/lookup");
      await expect
        .poll(() => settled.filter((each) => each.endsWith("lookup")), { timeout: 3000 })
        .toHaveLength(allowed.length);
    });

    it("that a person rejects is not run", async () => {
      const { agent, state, interruption } = await interrupted();
      isApproved = true;
      state.reject(interruption);
      await sdk.run(agent, state);
      expect(ran).toEqual([["lookup", {}]]);
    });

    it("asks nobody to approve what no approval would help", async () => {
      calls(call("erase"));
      const own = sdk.tool({
        name: "erase",
        description: "",
        parameters: z.object({}),
        needsApproval: true,
        execute: runs("erase"),
      });
      const result = await run(guarded({ tools: [own] }, { stepUp: "interrupt" }));
      expect(result.interruptions).toEqual([]);
      expect(read()[0]).toContain("nothing is erased here");
    });
  });

  describe("handoffs", () => {
    const agentNamed = (name: string, config: object = {}): Agent =>
      new sdk.Agent({ name, instructions: `You are ${name}.`, model: "gpt-4o-mini", ...config });
    const agents = { Billing: { agent: "billing" } };

    it("are decided as delegation, and what they lead to is guarded", async () => {
      calls(call("transfer_to_Billing"));
      calls(call("refund", { amount_cents: 9000 }), call("refund", { amount_cents: 4000 }));
      const agent = guarded({ handoffs: [agentNamed("Billing", { tools: [refund()] })] }, { agents });
      const result = await run(agent);
      expect(result.lastAgent?.name).toBe("Billing");
      expect(ran).toEqual([["refund", { amount_cents: 4000 }]]);
      expect(read()[0]).toContain("refund cap exceeded");
      expect(decided()).toContain("allow a2a_billing delegate");
    });

    it("lead to models that are decided too", async () => {
      calls(call("transfer_to_Billing"));
      const agent = guarded({ handoffs: [agentNamed("Billing", { model: "gpt-4o" })] }, { agents });
      expect(findDenial(await rejection(run(agent)))).toMatchObject({ hop: { name: "gpt-4o" } });
      expect(requests()).toBe(1);
    });

    it("that are denied are not shown; asked for all the same, the agent goes on and reads why", async () => {
      calls(call("transfer_to_Auditor", { why: "odd" }));
      let told = 0;
      const auditor = sdk.handoff(agentNamed("Auditor"), {
        inputType: z.object({ why: z.string() }),
        onHandoff: () => {
          told++;
        },
      });
      const agent = guarded({ handoffs: [auditor] }, { agents: { Auditor: { agent: "auditor" } } });
      const result = await run(agent);
      expect(asked[0]?.tools).toEqual([]);
      expect(result.lastAgent?.name).toBe("Desk");
      expect(told).toBe(0);
      const body = JSON.stringify(asked.at(-1)?.body);
      expect(body).toContain("audits are for auditors");
      expect(body).toContain("Do not retry the same call.");
      expect(decided()).toContain("deny a2a_auditor delegate");
    });

    it("that grant something let the agent do that and nothing else", async () => {
      calls(call("transfer_to_Billing"));
      calls(call("refund", { amount_cents: 100 }), call("refund", { amount_cents: 4000 }), call("lookup"));
      const grant = [
        { type: "llm_model", actions: ["completion"] },
        {
          type: "tool_desk",
          actions: ["tools/call/refund"],
          constraints: { "arguments.amount_cents": { maximum: 1000 } },
        },
      ];
      const billing = agentNamed("Billing", { tools: [refund(), lookup()] });
      const agent = guarded(
        { handoffs: [billing] },
        { agents: { Billing: { agent: "billing", authorization_details: grant } } },
      );
      await run(agent);
      expect(ran).toEqual([["refund", { amount_cents: 100 }]]);
      for (const text of read().slice(1)) expect(text).toContain("delegation_invalid");
      expect(asked[1]?.tools).toEqual(["refund"]);
      const acting = desk.records.findLast(({ hop }) => hop.action === "tools/call/refund");
      expect(acting?.agent.id).toBe("billing");
    });

    it("back to the agent that had handed on find it with what it had", async () => {
      calls(call("transfer_to_Billing"));
      calls(call("transfer_to_Desk"));
      calls(call("lookup"));
      const grant = [
        { type: "llm_model", actions: ["completion"] },
        { type: "a2a_test_agent", actions: ["delegate"] },
      ];
      const billing = agentNamed("Billing", { tools: [lookup()] });
      const raw = agentNamed("Desk", { tools: [lookup()], handoffs: [billing] });
      billing.handoffs = [raw];
      const named = {
        Billing: { agent: "billing", authorization_details: grant },
        Desk: { agent: "test_agent" },
      };
      const result = await run(guardAgent(raw, session, options({ agents: named })));
      expect(result.lastAgent?.name).toBe("Desk");
      expect(ran).toEqual([["lookup", {}]]);
    });

    it("on two ways to one agent find it with the authority of each, also where a saved run goes on", async () => {
      const grantOf = (maximum: number) => [
        { type: "llm_model", actions: ["completion"] },
        { type: "a2a_billing", actions: ["delegate"] },
        {
          type: "tool_desk",
          actions: ["tools/call/refund"],
          constraints: { "arguments.amount_cents": { maximum } },
        },
      ];
      const build = () => {
        const billing = agentNamed("Billing", { tools: [refund()] });
        const clerk = agentNamed("Clerk", { handoffs: [billing] });
        return guarded(
          { handoffs: [billing, clerk] },
          {
            stepUp: "interrupt",
            agents: {
              Billing: { agent: "billing", authorization_details: grantOf(9000) },
              Clerk: { agent: "clerk", authorization_details: grantOf(50), mayDelegate: true },
            },
          },
        );
      };
      calls(call("transfer_to_Billing"));
      calls(call("refund", { amount_cents: 9000 }));
      const direct = await run(build());
      expect(direct.lastAgent?.name).toBe("Billing");
      expect(direct.interruptions).toHaveLength(1);

      // Nobody hands on more than was handed to him: Billing would have it from Desk.
      calls(call("transfer_to_Clerk"));
      calls(call("transfer_to_Billing"));
      const { lastAgent } = await run(build());
      expect(lastAgent?.name).toBe("Clerk");
      expect(JSON.stringify(asked.at(-1)?.body)).toContain("the maximum is 50");

      isApproved = true;
      const elsewhere = build();
      const resumed = await sdk.RunState.fromString(elsewhere, direct.state.toString());
      resumed.approve(resumed.getInterruptions()[0] as never);
      await sdk.run(elsewhere, resumed);
      expect(ran).toEqual([["refund", { amount_cents: 9000 }]]);
    });

    it("are decided where a saved run goes on, though they grant nothing of their own", async () => {
      calls(call("transfer_to_Billing"));
      calls(call("refund", { amount_cents: 9000 }));
      const build = (agent: string) =>
        guarded(
          { handoffs: [agentNamed("Billing", { tools: [refund()] })] },
          { stepUp: "interrupt", agents: { Billing: { agent } } },
        );
      const { state } = await run(build("billing"));
      isApproved = true;
      const resume = async (elsewhere: Agent) => {
        desk.reset();
        const resumed = await sdk.RunState.fromString(elsewhere, state.toString());
        resumed.approve(resumed.getInterruptions()[0] as never);
        return sdk.run(elsewhere, resumed);
      };
      // By now, or for this user, nobody may hand over to it.
      const error = await rejection(resume(build("auditor")));
      expect(findDenial(error)).toMatchObject({ hop: { name: "auditor", action: "delegate" } });
      expect([ran, requests()]).toEqual([[], 0]);
      await resume(build("billing"));
      expect(ran).toEqual([["refund", { amount_cents: 9000 }]]);
      expect(decided().filter((each) => each.endsWith("delegate"))).toEqual(["allow a2a_billing delegate"]);
    });

    it("are delegated again where a saved run goes on", async () => {
      calls(call("transfer_to_Billing"));
      calls(call("refund", { amount_cents: 9000 }));
      const build = () =>
        guarded(
          { handoffs: [agentNamed("Billing", { tools: [refund()] })] },
          {
            stepUp: "interrupt",
            agents: {
              Billing: {
                agent: "billing",
                authorization_details: [
                  { type: "llm_model", actions: ["completion"] },
                  { type: "tool_desk", actions: ["tools/call/refund"] },
                ],
              },
            },
          },
        );
      const { state } = await run(build());
      const elsewhere = build();
      desk.reset();
      isApproved = true;
      const resumed = await sdk.RunState.fromString(elsewhere, state.toString());
      resumed.approve(resumed.getInterruptions()[0] as never);
      await sdk.run(elsewhere, resumed);
      expect(ran).toEqual([["refund", { amount_cents: 9000 }]]);
      expect(decided()).toContain("allow a2a_billing delegate");
      expect(desk.records.findLast(({ hop }) => hop.action === "tools/call/refund")?.agent.id).toBe(
        "billing",
      );
    });
  });

  describe("agents as tools", () => {
    const billing = (config: object = {}): Agent =>
      new sdk.Agent({
        name: "Billing",
        instructions: "Refund.",
        model: "gpt-4o-mini",
        tools: [refund()],
        ...config,
      });
    const asTool = (agent: Agent, toolName = "ask_billing") =>
      agentTool(agent, { toolName, toolDescription: "Refunds." });
    const agents = { Billing: { agent: "billing" } };

    it("are decided as delegation, and run guarded", async () => {
      calls(call("ask_billing", { input: "Refund it." }));
      calls(call("refund", { amount_cents: 9000 }), call("refund", { amount_cents: 4000 }));
      await run(guarded({ tools: [asTool(billing())] }, { agents }));
      expect(ran).toEqual([["refund", { amount_cents: 4000 }]]);
      expect(requests()).toBe(4);
      expect(decided()).toContain("allow a2a_billing delegate");
    });

    it("that are denied are not run, and the model reads why", async () => {
      calls(call("ask_auditor", { input: "Audit it." }));
      const auditor = new sdk.Agent({ name: "Auditor", model: "gpt-4o-mini" });
      await run(
        guarded({ tools: [asTool(auditor, "ask_auditor")] }, { agents: { Auditor: { agent: "auditor" } } }),
      );
      expect(requests()).toBe(2);
      expect(read()[0]).toContain("audits are for auditors");
    });

    it("interrupt the run of the agent that has asked, and the policy is asked again", async () => {
      calls(call("ask_billing", { input: "Refund it." }));
      calls(call("refund", { amount_cents: 9000 }));
      const agent = guarded({ tools: [asTool(billing())] }, { agents, stepUp: "interrupt" });
      const { interruptions, state } = await run(agent);
      expect(interruptions.map(({ name }) => name)).toEqual(["refund"]);
      state.approve(interruptions[0] as never);
      await sdk.run(agent, state);
      expect(ran).toEqual([]);
      expect(JSON.stringify(asked.map(({ toolResults }) => toolResults))).toContain("refund cap exceeded");
    });

    it("are refused where the SDK has made them of an agent that is not guarded", async () => {
      const tools = [billing().asTool({ toolName: "ask_billing", toolDescription: "" })];
      expect(() => guarded({ tools }, { agents })).toThrow(/ask_billing.*agentTool\(agent, options\)/);
      const agent = guarded({});
      agent.tools.push(...tools);
      await rejection(run(agent));
      expect(requests()).toBe(0);
    });

    it("may be agents that were guarded before, on a session of their own", async () => {
      calls(call("ask_billing", { input: "Refund it." }));
      calls(call("refund", { amount_cents: 9000 }));
      const own = guardAgent(billing(), await newSession(), options());
      await run(
        guarded({ tools: [own.asTool({ toolName: "ask_billing", toolDescription: "" })] }, { agents }),
      );
      expect(ran).toEqual([]);
      expect(decided()).toContain("deny tool_desk tools/call/refund");
    });
  });
});
