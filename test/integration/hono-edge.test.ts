import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { findDenial } from "hopguard";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startLocalProvider, type LocalProvider } from "../../examples/shared/local-provider";
import type * as worker from "../support/edge-front-door";

let bundle: string;

beforeAll(async () => {
  // An import of Node's fails here: nothing resolves it.
  const { outputFiles } = await build({
    entryPoints: ["test/support/edge-front-door.ts"],
    bundle: true,
    format: "iife",
    globalName: "worker",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import"],
    write: false,
  });
  bundle = outputFiles[0]?.text ?? "";
});

/** A runtime with the web's interfaces and none of Node's, and a model provider that it can reach. */
async function deployed(): Promise<typeof worker & { readonly provider: LocalProvider }> {
  const vm = new EdgeVM({
    extend: (context) => {
      context.console = { ...context.console, error: () => undefined };
      return context;
    },
  });
  const { ask, handled } = vm.evaluate<typeof worker>(`${bundle}; worker`);
  const provider = await startLocalProvider();
  onTestFinished(() => provider.stop());
  return { ask, handled, provider };
}

const headers = { "content-type": "application/json", "x-user": "u-1042" };
const hello = { model: "gpt-4o-mini", messages: [{ role: "user", content: "One and one?" }] };

describe("hopguard/hono in an edge runtime", () => {
  it("hands on an allowed request, and answers as the provider does", async () => {
    const { ask, handled, provider } = await deployed();
    const { status, text } = await ask(provider.openaiBaseURL, "/v1/chat/completions", {
      headers,
      body: hello,
    });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "chat.completion" });
    expect(provider.requests).toMatchObject([{ body: hello }]);
    expect([...handled]).toEqual(["/v1/chat/completions"]);
  });

  it("passes a stream on", async () => {
    const { ask, provider } = await deployed();
    const body = { ...hello, stream: true };
    const { type, text } = await ask(provider.openaiBaseURL, "/v1/chat/completions", { headers, body });
    expect(type).toContain("text/event-stream");
    expect(text).toContain("data: [DONE]");
  });

  it.each([
    ["a denied model", { headers, body: { ...hello, model: "gpt-4o" } }, 403, "policy_denied"],
    ["nobody", { headers: { "content-type": "application/json" }, body: hello }, 401, "unauthenticated"],
    [
      "text",
      { headers: { ...headers, "content-type": "text/plain" }, body: hello },
      415,
      "arguments_invalid",
    ],
    ["no object", { headers, body: [hello] }, 400, "arguments_invalid"],
  ])("answers %s by itself", async (_, request, status, code) => {
    const { ask, handled, provider } = await deployed();
    const answer = await ask(provider.openaiBaseURL, "/v1/chat/completions", request);
    expect(answer.status).toBe(status);
    expect(findDenial(JSON.parse(answer.text))).toMatchObject({ code });
    expect(provider.requests).toEqual([]);
    expect([...handled]).toEqual([]);
  });

  it("decides the application's own routes", async () => {
    const { ask, handled } = await deployed();
    expect(await ask("", "/pages/home")).toMatchObject({ status: 200, text: "For u-1042." });
    const denied = await ask("", "/pages/payroll");
    expect(denied).toMatchObject({ status: 403, type: "application/problem+json" });
    expect([...handled]).toEqual(["/pages/home"]);
  });
});
