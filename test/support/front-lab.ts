import { setTimeout as delay } from "node:timers/promises";
import * as sdk2 from "@modelcontextprotocol/server";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { LAB_POLICY } from "./mcp-policy";
import type { Policy } from "./policies";

/** What the lab's servers have run, oldest first: a tool that was denied never appears. */
export type Runs = unknown[][];

/** `user` as in {@link LAB_POLICY}; a `guest` may echo, and no more. */
export const FRONT_LAB_POLICY: Policy = {
  kind: LAB_POLICY.kind,
  rules: [
    ...LAB_POLICY.rules,
    {
      actions: ["initialize", "tools/list", "prompts/list", "tools/call/echo"],
      effect: "EFFECT_ALLOW",
      roles: ["guest"],
    },
  ],
};

const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });
const info = { name: "lab", version: "1.0.0" };
const FORM = {
  type: "object" as const,
  properties: { name: { type: "string" as const } },
  required: ["name"],
};

/** On SDK 1: tools, prompts and resources, some of which nobody may use. */
export function lab1(runs: Runs): McpServer1 {
  const server = new McpServer1(info, { capabilities: { logging: {} } });
  const run = (name: string, args?: unknown) => {
    runs.push([name, args]);
    return text(`${name} ran`);
  };
  server.registerTool("echo", { inputSchema: { text: z.string() } }, (args) => run("echo", args));
  server.registerTool("spend", { inputSchema: { amount: z.number() } }, (args) => run("spend", args));
  server.registerTool("forbidden", { inputSchema: {} }, () => run("forbidden"));
  server.registerTool("tidy", { inputSchema: {} }, () => run("tidy"));
  server.registerTool("slow", { inputSchema: {} }, async (_args, { signal }) => {
    runs.push(["slow"]);
    await delay(10_000, undefined, { signal }).catch(() => runs.push(["slow aborted"]));
    return text("late");
  });
  server.registerTool(
    "ask",
    { inputSchema: { sampled: z.boolean().default(false) } },
    async ({ sampled }, { requestId }) => {
      runs.push(["ask"]);
      // On the stream of the call: the one that belongs to no request a client may not have opened yet, and what is sent there is lost.
      const here = { relatedRequestId: requestId };
      if (sampled) {
        const messages = [{ role: "user" as const, content: { type: "text" as const, text: "Hello?" } }];
        const { content } = await server.server.createMessage({ messages, maxTokens: 10 }, here);
        return text(JSON.stringify(content));
      }
      const form = { message: "Who?", requestedSchema: FORM };
      const { action } = await server.server.elicitInput(form, here);
      return text(action);
    },
  );
  server.registerPrompt("greeting", {}, () => ({
    messages: [{ role: "user", content: { type: "text", text: "Hello" } }],
  }));
  server.registerPrompt("secret", {}, () => {
    runs.push(["secret"]);
    return { messages: [] };
  });
  for (const kind of ["public", "private"]) {
    server.registerResource(kind, `doc://${kind}/1`, {}, () => {
      runs.push([kind]);
      return { contents: [{ uri: `doc://${kind}/1`, text: kind }] };
    });
  }
  return server;
}

/** The same on SDK 2, of whatever version. */
export function lab2(runs: Runs, { fromJsonSchema, McpServer } = sdk2): sdk2.McpServer {
  const server = new McpServer(info, { capabilities: { logging: {} } });
  const run = (name: string, args?: unknown) => {
    runs.push([name, args]);
    return text(`${name} ran`);
  };
  const none = fromJsonSchema<Record<string, never>>({ type: "object", additionalProperties: false });
  server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, (args) => run("echo", args));
  server.registerTool("spend", { inputSchema: z.object({ amount: z.number() }) }, (args) =>
    run("spend", args),
  );
  server.registerTool("forbidden", { inputSchema: none }, () => run("forbidden"));
  server.registerTool("tidy", { inputSchema: none }, () => run("tidy"));
  server.registerTool("slow", { inputSchema: none }, async (_args, { mcpReq }) => {
    runs.push(["slow"]);
    await delay(10_000, undefined, { signal: mcpReq.signal }).catch(() => runs.push(["slow aborted"]));
    return text("late");
  });
  const sampled = z.object({ sampled: z.boolean().default(false) });
  server.registerTool("ask", { inputSchema: sampled }, async (args, { mcpReq }) => {
    runs.push(["ask"]);
    if (args.sampled) {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: "Hello?" } }];
      const { content } = await mcpReq.send({
        method: "sampling/createMessage",
        params: { messages, maxTokens: 10 },
      });
      return text(JSON.stringify(content));
    }
    const { action } = await mcpReq.send({
      method: "elicitation/create",
      params: { mode: "form", message: "Who?", requestedSchema: FORM },
    });
    return text(action);
  });
  server.registerPrompt("greeting", {}, () => ({
    messages: [{ role: "user", content: { type: "text", text: "Hello" } }],
  }));
  server.registerPrompt("secret", {}, () => {
    runs.push(["secret"]);
    return { messages: [] };
  });
  for (const kind of ["public", "private"]) {
    server.registerResource(kind, `doc://${kind}/1`, {}, () => {
      runs.push([kind]);
      return { contents: [{ uri: `doc://${kind}/1`, text: kind }] };
    });
  }
  return server;
}
