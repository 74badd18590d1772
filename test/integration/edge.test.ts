import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { findDenial, type AuditRecord } from "hopguard";
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startLocalProvider, type LocalProvider } from "../../examples/shared/local-provider";
import type * as worker from "../support/edge-worker";

/** Every line that the runtime's console was given. */
const printed: string[] = [];
let bundle: string;

beforeAll(async () => {
  // An import of Node's fails here: nothing resolves it.
  const { outputFiles } = await build({
    entryPoints: ["test/support/edge-worker.ts"],
    bundle: true,
    format: "iife",
    globalName: "worker",
    platform: "neutral",
    mainFields: ["module", "main"],
    write: false,
  });
  bundle = outputFiles[0]?.text ?? "";
});

afterEach(() => void printed.splice(0));

/** A runtime with the web's interfaces and none of Node's, and a model provider that it can reach. */
async function deployed(): Promise<{ complete: typeof worker.complete; provider: LocalProvider }> {
  const vm = new EdgeVM({
    extend: (context) => {
      context.console = { ...context.console, error: (line: string) => void printed.push(line) };
      return context;
    },
  });
  const { complete } = vm.evaluate<typeof worker>(`${bundle}; worker`);
  const provider = await startLocalProvider();
  onTestFinished(() => provider.stop());
  return { complete, provider };
}

describe("in an edge runtime", () => {
  it("has neither process nor Buffer to lean on", () => {
    const missing = new EdgeVM().evaluate<string[]>(`[typeof process, typeof Buffer, typeof require]`);
    expect([...missing]).toEqual(["undefined", "undefined", "undefined"]);
  });

  it("lets an allowed call through, and records it on the console by default", async () => {
    const { complete, provider } = await deployed();
    const { status, body } = await complete(provider.openaiBaseURL, "gpt-4o-mini");
    expect(status).toBe(200);
    expect(body).toMatchObject({ object: "chat.completion" });
    expect(provider.requests).toHaveLength(1);
    expect(printed.map((line) => JSON.parse(line) as AuditRecord)).toMatchObject([
      { effect: "allow", hop: { kind: "llm_model", name: "gpt-4o-mini", action: "completion" } },
    ]);
  });

  it("answers a denied call by itself, and records it", async () => {
    const { complete, provider } = await deployed();
    const { status, body } = await complete(provider.openaiBaseURL, "gpt-4o");
    expect(status).toBe(403);
    expect(findDenial(body)).toMatchObject({ code: "policy_denied", hop: { name: "gpt-4o" } });
    expect(provider.requests).toHaveLength(0);
    expect(printed.map((line) => JSON.parse(line) as AuditRecord)).toMatchObject([{ effect: "deny" }]);
  });
});
