import type { McpServer, ServerContext } from "@modelcontextprotocol/server";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";

type Elicited = Extract<Parameters<ServerContext["mcpReq"]["elicitInput"]>[0], { requestedSchema: unknown }>;

/** The forms that a client's user is asked to fill in, by the tool that asks. */
const FORMS: Readonly<Record<string, Elicited["requestedSchema"]>> = {
  test_elicitation: {
    type: "object",
    properties: { response: { type: "string", description: "User's response" } },
    required: ["response"],
  },
  test_elicitation_sep1034_defaults: {
    type: "object",
    properties: {
      name: { type: "string", description: "User name", default: "John Doe" },
      age: { type: "integer", description: "User age", default: 30 },
      score: { type: "number", description: "User score", default: 95.5 },
      status: {
        type: "string",
        description: "User status",
        enum: ["active", "inactive", "pending"],
        default: "active",
      },
      verified: { type: "boolean", description: "Verification status", default: true },
    },
    required: [],
  },
  test_elicitation_sep1330_enums: {
    type: "object",
    properties: {
      untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
      titledSingle: {
        type: "string",
        oneOf: [
          { const: "value1", title: "First Option" },
          { const: "value2", title: "Second Option" },
          { const: "value3", title: "Third Option" },
        ],
      },
      legacyEnum: {
        type: "string",
        enum: ["opt1", "opt2", "opt3"],
        enumNames: ["Option One", "Option Two", "Option Three"],
      },
      untitledMulti: {
        type: "array",
        minItems: 1,
        maxItems: 3,
        items: { type: "string", enum: ["option1", "option2", "option3"] },
      },
      titledMulti: {
        type: "array",
        minItems: 1,
        maxItems: 3,
        items: {
          anyOf: [
            { const: "value1", title: "First Choice" },
            { const: "value2", title: "Second Choice" },
            { const: "value3", title: "Third Choice" },
          ],
        },
      },
    },
    required: [],
  },
};

const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });

/** Tools that ask something of the client in a request of their own, as revisions before 2026-07-28 have it, and one that loses its stream. */
export function registerAskingTools(server: McpServer): void {
  for (const [name, requestedSchema] of Object.entries(FORMS)) {
    const inputSchema = z.object({ message: z.string().default("Please fill in the form.") });
    server.registerTool(
      name,
      { description: "Asks the user.", inputSchema },
      async ({ message }, { mcpReq }) => {
        // `elicitInput` goes by the stream that belongs to no request, which a client may not have opened yet.
        const { action, content = {} } = await mcpReq.send({
          method: "elicitation/create",
          params: { mode: "form", message, requestedSchema },
        });
        return text(`action=${action}, content=${JSON.stringify(content)}`);
      },
    );
  }

  const inputSchema = z.object({ prompt: z.string() });
  server.registerTool(
    "test_sampling",
    { description: "Asks the model.", inputSchema },
    async ({ prompt }, { mcpReq }) => {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: prompt } }];
      const { content } = await mcpReq.send({
        method: "sampling/createMessage",
        params: { messages, maxTokens: 100 },
      });
      return text(
        `LLM response: ${!Array.isArray(content) && content.type === "text" ? content.text : "none"}`,
      );
    },
  );

  server.registerTool(
    "test_reconnection",
    { description: "Answers on another stream." },
    async ({ http }) => {
      http?.closeSSE?.();
      await delay(100);
      return text("Reconnection test completed successfully.");
    },
  );
}
