import type * as coreMessages from "@langchain/core/messages";
import type * as coreTools from "@langchain/core/tools";
import type * as langgraph from "@langchain/langgraph/prebuilt";
import type * as openai from "@langchain/openai";
import { findDenial, type Session } from "hopguard";
import type * as langchain from "langchain";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { fixture } from "../support/fixtures";
import { calls, openLangChainDesk, says, toolResultsSent, type LangChainDesk } from "../support/langchain";

let desk: LangChainDesk;
let session: Session;
beforeAll(async () => {
  desk = await openLangChainDesk();
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  session = await desk.session("analyst");
});
afterEach(() => vi.resetModules());

const PARTS = [
  "langchain",
  "@langchain/core/callbacks/base",
  "@langchain/core/messages",
  "@langchain/core/singletons",
];

/** LangChain of a fixture, and the adapter as it is where no other LangChain is installed. All versions are called alike. */
async function lineOf(name: string) {
  const installed = fixture(name);
  for (const part of PARTS) vi.doMock(part, () => ({ ...(installed(part) as object) }));
  const hopguard = await import("hopguard/langchain");
  const { ChatOpenAI } = installed("@langchain/openai") as typeof openai;
  const { tool } = installed("@langchain/core/tools") as typeof coreTools;
  const ran: unknown[] = [];
  const schema = z.object({ amount_cents: z.number() });
  return {
    ...hopguard,
    ...(installed("langchain") as typeof langchain),
    ...(installed("@langchain/langgraph/prebuilt") as typeof langgraph),
    ...(installed("@langchain/core/messages") as typeof coreMessages),
    ran,
    refund: tool((args) => `run ${ran.push(args)}`, { name: "refund", description: "Refunds.", schema }),
    model: (model = "gpt-4o-mini") =>
      new ChatOpenAI({
        model,
        apiKey: "none",
        maxRetries: 0,
        configuration: { baseURL: desk.provider.openaiBaseURL },
      }),
  };
}

const TOOLSET = { toolset: "desk" } as const;
const USER = { messages: [{ role: "user", content: "Go on." }] };
const TWO_REFUNDS = calls(
  { name: "refund", arguments: { amount_cents: 10 } },
  { name: "refund", arguments: { amount_cents: 6000 } },
);
const denialOf = async (run: Promise<unknown>) =>
  findDenial(
    await run.then(
      () => expect.fail("it was not denied"),
      (error: unknown) => error,
    ),
  );

describe("LangChain 1.4.4", () => {
  it("keeps its agents under the middleware", async () => {
    const { createAgent, hopguardMiddleware, model, refund, ran } = await lineOf("langchain");
    const middleware = [hopguardMiddleware(session, TOOLSET)];
    desk.play(TWO_REFUNDS, says("done"));
    await createAgent({ model: model(), tools: [refund], middleware }).invoke(USER);
    expect(ran).toEqual([{ amount_cents: 10 }]);
    expect(toolResultsSent(desk)[1]).toContain("above the cap");
    const sent = desk.provider.requests.length;
    const denied = createAgent({ model: model("gpt-4o"), tools: [refund], middleware }).invoke(USER);
    expect((await denialOf(denied))?.code).toBe("policy_denied");
    expect(desk.provider.requests).toHaveLength(sent);
  });
});

describe.each(["langchain-1.0", "langchain"])("the LangChain of %s", (name) => {
  it("waits for the callback handler, in models, tools and agents", async () => {
    const { HopguardCallbackHandler, createAgent, model, refund, ran } = await lineOf(name);
    const callbacks = [new HopguardCallbackHandler(session, { ...TOOLSET, untyped: "allow" })];
    const denied = model("gpt-4o");
    expect((await denialOf(denied.invoke("hi", { callbacks })))?.code).toBe("policy_denied");
    expect((await denialOf(denied.stream("hi", { callbacks }).then(drain)))?.code).toBe("policy_denied");
    expect((await denialOf(refund.invoke({ amount_cents: 6000 }, { callbacks })))?.code).toBe(
      "policy_denied",
    );
    expect([desk.provider.requests.length, ran.length]).toEqual([0, 0]);

    desk.play(TWO_REFUNDS, says("done"));
    await createAgent({ model: model(), tools: [refund] }).invoke(USER, { callbacks });
    expect(ran).toEqual([{ amount_cents: 10 }]);
    expect(toolResultsSent(desk)[1]).toMatch(/above the cap.*Do not retry the same call\./);
  });

  it("runs guarded tools in its ToolNode", async () => {
    const { guardLangChainTools, ToolNode, AIMessage, refund, ran } = await lineOf(name);
    const node = new ToolNode([...guardLangChainTools([refund], session, TOOLSET)]);
    const refunds = [10, 6000].map((amount_cents) => ({
      name: "refund",
      id: `c-${amount_cents}`,
      args: { amount_cents },
    }));
    const { messages } = (await node.invoke({
      messages: [new AIMessage({ content: "", tool_calls: refunds })],
    })) as {
      readonly messages: readonly coreMessages.ToolMessage[];
    };
    expect(ran).toEqual([{ amount_cents: 10 }]);
    expect(
      messages.map(({ content, status }) => [JSON.stringify(content).includes("above the cap"), status]),
    ).toEqual([
      [false, expect.not.stringContaining("error")],
      [true, "error"],
    ]);
  });
});

describe("LangChain 1.0", () => {
  it("is refused by the middleware, which it would run tools past", async () => {
    const { hopguardMiddleware } = await lineOf("langchain-1.0");
    expect(() => hopguardMiddleware(session, TOOLSET)).toThrow(/older than 1\.4\.4/);
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
