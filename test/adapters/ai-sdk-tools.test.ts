import type { Session } from "hopguard";
import { findDenial } from "hopguard";
import { guardProvider, guardTools, hopguardApproval, type ApprovalStatus } from "hopguard/ai-sdk";
import * as openai from "@ai-sdk/openai";
import * as ai from "ai";
import type { ModelMessage, ToolSet } from "ai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ABOVE_CAP, calls, openAiLab, type AiLab } from "../support/ai-lab";
import { aiLines, partsOf } from "../support/ai-sdks";
import { denialOf, rejection } from "../support/model-sdks";
import { deadPdp } from "../support/other-pdps";

let lab: AiLab;
let analyst: Session;
/** The input that reached a tool. */
let ran: unknown[];
/** What a lead has approved, as the application knows it. */
let approved = false;

beforeAll(async () => {
  lab = await openAiLab();
  analyst = await lab.analyst();
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.reset();
  lab.play();
  ran = [];
  approved = false;
});

const amount = z.object({ amount_cents: z.number().int().positive() });
const small = { amount_cents: 4000 };
const large = { amount_cents: 900_000 };
const desk = { toolset: "desk" };
const prompt = "Refund it.";
type Stream = (input: unknown, options: unknown) => AsyncIterable<unknown>;
/** What a run adds to the conversation, where all versions have it. */
const messagesOf = (result: object): readonly ModelMessage[] =>
  (Reflect.get(result, "response") as { readonly messages: readonly ModelMessage[] }).messages;
/** The facts of an application that knows who has approved what. */
const withApprovals = () =>
  lab.analyst({
    guard: {
      enrich: [{ name: "lead", provide: () => Promise.resolve({ approved }) }],
      // What was denied before is another question with another fact.
      repeats: { afterDenials: 1, forMs: 60_000 },
    },
  });

describe.each(aiLines)("tools under $line", ({ ai, createOpenAI, hasToolApproval }) => {
  const model = (session = analyst) =>
    guardProvider(createOpenAI({ apiKey: "none", baseURL: lab.provider.openaiBaseURL }), session).chat(
      "gpt-4o-mini",
    );
  const run = (input: unknown): string => {
    ran.push(input);
    return "done";
  };
  const refundTool = () => ai.tool({ inputSchema: amount, execute: run });
  const deskTools = () => ({
    refund: refundTool(),
    note: ai.tool({ inputSchema: z.object({ text: z.string() }), execute: run }),
  });
  const work = (tools: ToolSet, more: object = {}, session?: Session) =>
    ai.generateText({ model: model(session), prompt, tools, stopWhen: ai.stepCountIs(4), ...more });

  it("run when they are allowed, and not when they are denied, in one turn, and the model reads why", async () => {
    lab.play(calls(["refund", large], ["note", { text: "hello" }], ["refund", small]));
    const { text } = await work(guardTools(deskTools(), analyst, desk));
    expect(text).toBe("Finished.");
    expect(ran).toHaveLength(2);
    expect(ran).toEqual(expect.arrayContaining([{ text: "hello" }, small]));
    const [denied, ...others] = lab.read(1);
    expect(denied).toContain(ABOVE_CAP);
    expect(denied).toContain('"approvers_role":"lead"');
    expect(denied).toContain("Do not retry the same call.");
    expect(others).toEqual(["done", "done"]);
  });

  it("do the same in a stream", async () => {
    lab.play(calls(["refund", large], ["refund", small]));
    const result = ai.streamText({
      ...{ model: model(), prompt, stopWhen: ai.stepCountIs(3) },
      tools: guardTools(deskTools(), analyst, desk),
    });
    const errors: unknown[] = [];
    for await (const part of partsOf(result)) if (part.type === "tool-error") errors.push(part.error);
    expect(errors.map((error) => findDenial(error)?.reason)).toEqual([ABOVE_CAP]);
    expect(ran).toEqual([small]);
    expect(lab.read(1).join()).toContain(ABOVE_CAP);
  });

  it("belong to who is said to own them; what nobody owns is denied, and named", async () => {
    lab.play(calls(["pay", small], ["stray", {}], ["nothing", {}]));
    const tools = {
      pay: refundTool(),
      stray: ai.tool({ inputSchema: z.object({}), execute: run }),
    };
    const owned = { tools: { pay: { server: "payments", tool: "refund" } } };
    await work(guardTools(tools, analyst, owned));
    expect(ran).toEqual([small]);
    expect(lab.records.map(({ hop }) => `${hop.kind} ${hop.action}`)).toContain(
      "mcp_payments tools/call/refund",
    );
    expect(lab.read(1).join()).toContain('tool "stray" belongs');
    expect(lab.read(1).join()).toContain("nothing");
  });

  it("get the input that was checked, and a signal that ends with the caller's and with the session's", async () => {
    const session = await lab.analyst();
    let signal: AbortSignal | undefined;
    const tools = guardTools(
      {
        note: {
          inputSchema: z.object({ text: z.string() }),
          execute: (input: object, options: { readonly abortSignal?: AbortSignal }): Promise<never> => {
            ran.push(input);
            signal = options.abortSignal;
            return new Promise(() => undefined);
          },
        },
      },
      session,
      desk,
    );
    const input = { text: "as it was" };
    const call = tools.note.execute(input, {});
    input.text = "changed";
    await expect.poll(() => ran).toEqual([{ text: "as it was" }]);
    expect(Object.isFrozen(ran[0])).toBe(true);
    await lab.guard.revoke({ session: session.id });
    expect((await denialOf(call)).code).toBe("revoked");
    expect(signal?.aborted).toBe(true);
  });

  it("are denied after a revocation in the midst of a run, and the model is, too", async () => {
    const session = await lab.analyst();
    lab.play(calls(["note", { text: "first" }]), calls(["note", { text: "second" }]));
    const tools = guardTools(
      {
        note: ai.tool({
          inputSchema: z.object({ text: z.string() }),
          execute: async (input) => {
            run(input);
            await lab.guard.revoke({ session: session.id });
            return "done";
          },
        }),
      },
      session,
      desk,
    );
    const denial = await denialOf(work(tools, {}, session));
    expect(denial.code).toBe("revoked");
    expect(ran).toHaveLength(1);
    expect(lab.provider.requests).toHaveLength(1);
  });

  it("are not run while the PDP is down, and the model reads that it may try again", async () => {
    lab.play(calls(["refund", small]));
    await work(guardTools(deskTools(), await lab.analyst({ pdp: await deadPdp() }), desk));
    expect(ran).toEqual([]);
    expect(lab.read(1).join()).toContain('"retryable":true');
    expect(lab.read(1).join()).not.toContain("Do not retry");
  });

  it("hand the guard on to the agents that they run", async () => {
    lab.play(calls(["research", { question: "a" }]), calls(["refund", large]), () => ({ text: "No." }));
    const inner = guardTools({ refund: refundTool() }, analyst, desk);
    const agent = new ai.ToolLoopAgent({ model: model(), tools: inner });
    const research = ai.tool({
      inputSchema: z.object({ question: z.string() }),
      execute: async ({ question }) => (await agent.generate({ prompt: question })).text,
    });
    const { text } = await work(guardTools({ research }, analyst, desk));
    expect(text).toBe("Finished.");
    expect(ran).toEqual([]);
    expect(lab.read(2).join()).toContain(ABOVE_CAP);
    expect(lab.read(3)).toEqual(["No."]);
  });

  it("tell what is denied within them, to an agent whose model may not be used", async () => {
    lab.play(calls(["research", {}]));
    const provider = guardProvider(
      createOpenAI({ apiKey: "none", baseURL: lab.provider.openaiBaseURL }),
      analyst,
    );
    const research = ai.tool({
      inputSchema: z.object({}),
      execute: async () => (await ai.generateText({ model: provider.chat("gpt-4o"), prompt })).text,
    });
    await work(guardTools({ research }, analyst, desk));
    expect(lab.read(1).join()).toContain('"type":"use_model"');
    expect(lab.provider.requests).toHaveLength(2);
  });

  it("may yield what they have so far, until authority is withdrawn", async () => {
    const session = await lab.analyst();
    const returned: string[] = [];
    const tool = ai.tool({
      inputSchema: amount,
      async *execute(input) {
        try {
          for (let part = 1; part <= 40; part++) {
            run(input);
            yield `part ${part}`;
            await new Promise((later) => setTimeout(later, part > 3 ? 100 : 0));
          }
        } finally {
          returned.push("returned");
        }
      },
    });
    const { refund } = guardTools({ refund: tool }, session, desk);
    const yielded: unknown[] = [];
    const error = await rejection(
      (async () => {
        const options = { toolCallId: "1", messages: [] } as never;
        for await (const part of (refund.execute as Stream)(small, options)) {
          yielded.push(part);
          if (yielded.length === 3) await lab.guard.revoke({ session: session.id });
        }
      })(),
    );
    expect(findDenial(error)?.code).toBe("revoked");
    expect(yielded.slice(0, 3)).toEqual(["part 1", "part 2", "part 3"]);
    await expect.poll(() => returned).toEqual(["returned"]);

    ran = [];
    lab.play(calls(["refund", large]));
    await work(guardTools({ refund: tool }, analyst, desk));
    expect(lab.read(1).join()).toContain(ABOVE_CAP);
    expect(ran).toEqual([]);
  });

  it("stream to the model's user under the SDK, too", async () => {
    lab.play(calls(["refund", small]));
    const tool = ai.tool({
      inputSchema: amount,
      async *execute() {
        yield "half";
        yield await Promise.resolve("whole");
      },
    });
    const result = ai.streamText({
      ...{ model: model(), prompt, stopWhen: ai.stepCountIs(2) },
      tools: guardTools({ refund: tool }, analyst, desk),
    });
    const outputs: unknown[] = [];
    for await (const part of partsOf(result)) if (part.type === "tool-result") outputs.push(part.output);
    expect(outputs).toEqual(["half", "whole", "whole"]);
    expect(lab.read(1)).toEqual(["whole"]);
  });

  it("are typed by their own schemas, of whatever make", async () => {
    const json = {
      ...{ type: "object", properties: { amount_cents: { type: "integer" } } },
      ...{ required: ["amount_cents"] },
    };
    const schemas = [amount, ai.jsonSchema(json as never), ai.zodSchema(amount), () => ai.zodSchema(amount)];
    for (const inputSchema of schemas) {
      const { refund } = guardTools({ refund: { inputSchema, execute: run } }, analyst, desk);
      const call = refund.execute as (input: unknown) => unknown;
      expect(await call(small)).toBe("done");
      for (const amount_cents of ["4000", null, [4000]])
        expect((await denialOf(Promise.resolve(call({ amount_cents })))).code).toBe("arguments_invalid");
    }
    expect(ran).toHaveLength(schemas.length);
  });

  it("are denied where their schema changes what it has changed already", async () => {
    const inEuros = z.object({ amount_cents: z.number().transform((euros) => euros * 100) });
    lab.play(calls(["refund", { amount_cents: 40 }]), calls(["refund", { amount_cents: 30 }]));
    const tool = ai.tool({ inputSchema: inEuros, execute: run });
    await work(guardTools({ refund: tool }, analyst, desk));
    expect(ran).toEqual([]);
    expect(lab.read(1).join()).toContain("schema` of its entry");
    const schema = { type: "object", properties: { amount_cents: { type: "number" } } };
    lab.play(calls(["refund", { amount_cents: 40 }]));
    await work(guardTools({ refund: tool }, analyst, { tools: { refund: { toolset: "desk", schema } } }));
    expect(ran).toEqual([{ amount_cents: 4000 }]);
  });

  describe("whose denial a step-up would help", () => {
    const ask = { ...desk, stepUp: "ask" } as const;
    /** Runs until somebody is asked, answers, and runs on. */
    const workWithApproval = async (tools: ToolSet, isApproved: boolean, more: object = {}) => {
      const first = await work(tools, more);
      const requests = first.content.filter((part) => part.type === "tool-approval-request");
      const messages: ModelMessage[] = [
        { role: "user", content: prompt },
        ...messagesOf(first),
        {
          role: "tool",
          content: requests.map(({ approvalId }) => ({
            ...{ type: "tool-approval-response", approvalId, approved: isApproved },
          })) as never,
        },
      ];
      return {
        requests,
        finish: () => work(tools, { prompt: undefined, messages, ...more }),
      };
    };

    it("wait for approval, and are decided again after it: it allows nothing by itself", async () => {
      const session = await withApprovals();
      lab.play(calls(["refund", large], ["refund", small]));
      const { requests, finish } = await workWithApproval(guardTools(deskTools(), session, ask), true);
      expect(requests).toHaveLength(1);
      expect(ran).toEqual([small]);
      expect((await finish()).text).toBe("Finished.");
      expect(ran).toEqual([small]);
      expect(lab.read(1).join()).toContain(ABOVE_CAP);
    });

    it("run after approval when the policy then allows them", async () => {
      const session = await withApprovals();
      lab.play(calls(["refund", large]));
      const { requests, finish } = await workWithApproval(guardTools(deskTools(), session, ask), true);
      expect(requests).toHaveLength(1);
      approved = true;
      await finish();
      expect(ran).toEqual([large]);
    });

    it("do not run when the user says no, whatever the policy says by then", async () => {
      const session = await withApprovals();
      lab.play(calls(["refund", large]));
      const { finish } = await workWithApproval(guardTools(deskTools(), session, ask), false);
      approved = true;
      await finish();
      expect(ran).toEqual([]);
    });

    it("want the approval that they have wanted before, and are told to the model by default", async () => {
      const tools = { refund: { ...refundTool(), needsApproval: true } };
      lab.play(calls(["refund", small]));
      const own = await workWithApproval(guardTools(tools, analyst, ask), true);
      expect(own.requests).toHaveLength(1);
      expect(ran).toEqual([]);
      lab.play(calls(["refund", large]));
      const told = await workWithApproval(guardTools(deskTools(), analyst, desk), true);
      expect(told.requests).toEqual([]);
      expect(lab.read(1).join()).toContain("step_up");
    });
  });

  describe.runIf(hasToolApproval)("with toolApproval", () => {
    const approving = (also?: Parameters<typeof hopguardApproval>[0]) => ({
      toolApproval: hopguardApproval(also),
    });
    const denials = () =>
      lab.records.filter(({ effect, flags }) => effect === "deny" && !flags.includes("look_up"));

    it("ask for a step-up with the policy's reason, and decide again after it", async () => {
      const session = await withApprovals();
      lab.play(calls(["refund", large]));
      const tools = guardTools(deskTools(), session, desk);
      const first = await work(tools, approving());
      const [request] = first.content.filter((part) => part.type === "tool-approval-request");
      expect(ran).toEqual([]);
      const answer = { type: "tool-approval-response", approvalId: request?.approvalId, approved: true };
      const messages = [
        { role: "user", content: prompt },
        ...messagesOf(first),
        { role: "tool", content: [answer] },
      ];
      await work(tools, { prompt: undefined, messages, ...approving() });
      expect(ran).toEqual([]);
      expect(lab.read(1).join()).toContain(ABOVE_CAP);
      approved = true;
      lab.play();
      await work(tools, { prompt: undefined, messages, ...approving() });
      expect(ran).toEqual([large]);
    });

    it("deny what no step-up would help, and count it as a denial", async () => {
      const session = await lab.analyst();
      lab.play(calls(["wipe", {}], ["note", { text: "x" }]));
      const wipe = ai.tool({ inputSchema: z.object({}), execute: run });
      await work(guardTools({ ...deskTools(), wipe }, session, desk), approving());
      expect(ran).toEqual([{ text: "x" }]);
      expect(lab.read(1).join()).toContain("Do not retry the same call.");
      expect(denials()).toMatchObject([{ hop: { action: "tools/call/wipe" } }]);
    });

    it("deny a tool that is not guarded, also one that every object has", async () => {
      lab.play(calls(["note", { text: "x" }]));
      await work(deskTools(), approving());
      expect(ran).toEqual([]);
      expect(lab.read(1).join()).toContain("is not guarded");
      const status = await hopguardApproval()({
        toolCall: { toolName: "constructor", input: {} },
        tools: guardTools(deskTools(), analyst, desk),
      });
      expect(status).toMatchObject({ type: "denied" });
    });

    it.each<[string, () => unknown]>([
      ["a misspelt word", () => "deny"],
      ["a misspelt type", () => ({ type: "Denied", reason: "no" })],
      ["null", () => null],
      ["true", () => true],
      ["an unknown member", () => ({ type: "approved", because: "yes" })],
      ["an error", () => Promise.reject(new Error("the database is away"))],
    ])("take %s from the application's own rule for a denial", async (_, rule) => {
      lab.play(calls(["note", { text: "x" }]));
      const tools = guardTools(deskTools(), analyst, desk);
      await work(tools, approving(rule as () => ApprovalStatus));
      expect(ran).toEqual([]);
      expect(lab.read(1).join()).toContain("an answer that is not known");
    });

    it("let the application's own rule deny and ask, and never allow", async () => {
      const tools = guardTools(deskTools(), analyst, desk);
      const wipe = { wipe: ai.tool({ inputSchema: z.object({}), execute: run }) };
      lab.play(calls(["note", { text: "x" }]));
      await work(
        tools,
        approving(() => ({ type: "denied", reason: "not today" })),
      );
      expect(lab.read(1).join()).toContain("not today");
      lab.play(calls(["note", { text: "x" }]));
      const asked = await work(
        tools,
        approving(() => "user-approval"),
      );
      expect(asked.content.some((part) => part.type === "tool-approval-request")).toBe(true);
      lab.play(calls(["wipe", {}]));
      await work(
        guardTools(wipe, analyst, desk),
        approving(() => "approved"),
      );
      expect(ran).toEqual([]);
      lab.play(calls(["note", { text: "x" }]));
      await work(
        tools,
        approving(() => ({ type: "approved", reason: "always" })),
      );
      expect(ran).toEqual([{ text: "x" }]);
    });
  });
});

describe("a tool that calls others", () => {
  const input = z.object({ amount_cents: z.number() });
  const origins = {
    tools: {
      pay: { toolset: "desk", tool: "refund" },
      code: { toolset: "desk" },
      research: { toolset: "desk" },
    },
  } as const;
  /** The SDK runs what is bound, and never the tool that it was given. */
  const caller = () =>
    ai.experimental_toolCaller(ai.tool({ inputSchema: input, execute: () => "unbound" }), {
      type: "local",
      bind: ({ pay }) =>
        ai.tool({
          inputSchema: input,
          execute: async (input, options) => {
            ran.push("code");
            return `paid: ${String(await Promise.resolve(pay?.execute?.(input, options)).catch(String))}`;
          },
        }) as ai.Tool,
    });
  const work = (name: "code" | "research", input: object, more: object = {}) => {
    lab.play(calls([name, input]));
    const pay = ai.tool({ inputSchema: amount, execute: (given) => ran.push(given) });
    return ai.generateText({
      model: guardProvider(
        openai.createOpenAI({ apiKey: "none", baseURL: lab.provider.openaiBaseURL }),
        analyst,
      )("gpt-4o-mini"),
      prompt,
      tools: guardTools({ [name]: caller(), pay }, analyst, { ...origins, ...more }),
      experimental_toolCallers: { pay: [name] } as never,
      stopWhen: ai.stepCountIs(3),
    });
  };

  it("is decided although the SDK makes it anew, and so are its calls", async () => {
    await work("code", small);
    expect(ran).toEqual([]);
    expect(denied()).toEqual(["tools/call/code"]);
    await work("research", small);
    expect(ran).toEqual(["code", small]);
    ran = [];
    await work("research", large);
    expect(ran).toEqual(["code"]);
    expect(denied()).toEqual(["tools/call/code", "tools/call/refund"]);
  });

  it("asks for a step-up like any other", async () => {
    const tools = { ...origins.tools, code: { toolset: "desk", tool: "refund" } };
    const { content } = await work("code", large, { tools, stepUp: "ask" });
    expect(content.some(({ type }) => type === "tool-approval-request")).toBe(true);
    expect(ran).toEqual([]);
  });

  const denied = () =>
    lab.records
      .filter(({ effect, flags }) => effect === "deny" && !flags.includes("look_up"))
      .map(({ hop }) => hop.action);
});

describe("what cannot be guarded", () => {
  const tool = { inputSchema: amount, execute: () => "done" };

  it("is refused where the guard is made", () => {
    const refused = (tools: object, options: object = desk) =>
      expect(() => guardTools(tools as never, analyst, options as never));
    refused({ shown: { inputSchema: amount } }).toThrow(/"shown" has no execute/);
    refused({ old: { parameters: amount, execute: () => "done" } }).toThrow(/"old" has no inputSchema/);
    refused({ "a b": tool }).toThrow(/not a name for a tool/);
    refused({ none: undefined }).toThrow(/"none" has no execute/);
    refused({ find: ai.toolSearch() }).toThrow(/"find" is toolSearch\(\)/);
    refused([tool]).toThrow(/expected an object of tools/);
    refused({ tool }, {}).toThrow(/say where the tools belong/);
    refused({ tool }, { toolset: "pay-roll" }).toThrow(/toolset/);
    refused({ tool }, { ...desk, stepup: "ask" }).toThrow(/stepup/);
    expect(() => guardTools({ tool }, {} as Session, desk)).toThrow(/expected a session/);
  });

  it("is left to the guard of the model, where it runs at the provider", () => {
    const search = { type: "provider", id: "openai.web_search", args: {}, inputSchema: z.object({}) };
    expect(guardTools({ search, tool }, analyst, desk).search).toBe(search);
  });
});
