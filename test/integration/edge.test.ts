import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { findDenial, type AuditRecord } from "hopguard";
import { assertions } from "hopguard/identity";
import { exportJWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startLocalProvider, type LocalProvider } from "../../examples/shared/local-provider";
import { digestJson } from "../../src/core/digest";
import { TokenSigner } from "../support/token-signer";
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
async function deployed(): Promise<typeof worker & { readonly provider: LocalProvider }> {
  const vm = new EdgeVM({
    extend: (context) => {
      context.console = { ...context.console, error: (line: string) => void printed.push(line) };
      return context;
    },
  });
  const { complete, checkAgain } = vm.evaluate<typeof worker>(`${bundle}; worker`);
  const provider = await startLocalProvider();
  onTestFinished(() => provider.stop());
  return { complete, checkAgain, provider };
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

  it("verifies an assertion, of what was allowed and of nothing else", async () => {
    const { checkAgain } = await deployed();
    const signer = new TokenSigner();
    const keys = await signer.jwks();
    const key = await exportJWK(signer.keys["es-1"].privateKey);
    const issuer = assertions({ issuer: "https://agents.example", key, algorithm: "ES256", kid: "es-1" });
    const hop = { kind: "mcp_till", name: "till", action: "tools/call/refund" };
    const asserted = { subject: "u-1042", agent: "bot", chain: [], session: "S-1", decisionId: "D-1", hop };
    const argumentsDigest = await digestJson({ amount: 5 });
    const assertion = await issuer.sign({ ...asserted, argumentsDigest }, "https://edge.example");
    expect(await checkAgain(assertion, keys, { hop, arguments: { amount: 5 } })).toBe("u-1042");
    expect(await checkAgain(assertion, keys, { hop, arguments: { amount: 50 } })).toMatch(/other arguments/);
    const foreign = await issuer.sign(asserted, "https://other.example");
    expect(await checkAgain(foreign, keys, { hop })).toMatch(/not for us/);
  });
});
