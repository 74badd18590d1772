import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { createGuard, findDenial, type Guard, type GuardOptions } from "hopguard";
import { startPdp } from "hopguard/pdp";
import { stubPdp } from "hopguard/testing";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { run as runExpress } from "../../examples/express/run";
import { serve as serveExpress } from "../../examples/express/serve";
import { serve as serveHono } from "../../examples/hono/serve";
import type * as worker from "../../examples/hono/worker";
import { run as runMcpServer } from "../../examples/mcp-server/run";
import { serve } from "../../examples/shared/serve";
import { seconds, TokenSigner } from "../support/token-signer";

afterEach(() => vi.restoreAllMocks());

async function play(example: string): Promise<string> {
  const { stdout } = await promisify(execFile)("npx", ["tsx", `examples/${example}/main.ts`], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  return stdout;
}

/** Guards that lack something each. */
const lacking: Readonly<Record<string, (options: GuardOptions) => Guard>> = {
  policies: (options) =>
    createGuard({ ...options, pdp: stubPdp({ rules: [() => true], plan: () => "always" }) }),
  signatures: (options) =>
    createGuard({
      ...options,
      identity: {
        verify: (token) => {
          const { sub = "", iss = "", roles } = decodeJwt<{ readonly roles: string[] }>(token);
          const auth = { method: "jwt", issuer: iss, verified: true };
          return Promise.resolve({ principal: { id: sub, roles }, auth });
        },
      },
    }),
  revocations: (options) => ({ ...createGuard(options), revoke: () => Promise.resolve() }),
};

describe.each(["express", "hono"])("the story of examples/%s", (framework) => {
  it("ends as told, with every attempt refused", async () => {
    const stdout = await play(framework);
    expect(stdout).toContain("The story ended as told: 13 attempts refused, and nothing was reached by any.");
    expect(stdout).toContain("the provider has seen one request, with the gateway's key");
    expect(stdout).toMatch(/by the OpenAI SDK:\n.*\n +→ 403 model not approved .*use_model: gpt-4o-mini/);
    expect(stdout).toContain("www-authenticate: Bearer");
    expect(stdout).toMatch(/90 dollars:\n.*\n +→ 403 support refunds up to 50 dollars/);
    expect(stdout).toMatch(/names two models:\n.*\n +→ 400 .* holds a member twice/);
    expect(stdout).toMatch(/✘ ended .*\n(?:.*\n)*? +the letter ends in the middle/);
  }, 180_000);

  const serveApp = framework === "express" ? serveExpress : serveHono;
  it.each([
    ["policies", "a large model, by the OpenAI SDK"],
    ["signatures", "a model, with a token that somebody else has signed"],
    ["revocations", "seconds later it was still being written"],
  ])(
    "exits with 1 when the guard does not look at %s",
    async (what, complaint) => {
      vi.spyOn(console, "log").mockImplementation(() => undefined);
      const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
      expect(await runExpress("a test", { serve: serveApp, ...newGuard(what) })).toBe(1);
      expect(complaints.mock.calls.flat().map(String).join()).toContain(complaint);
    },
    60_000,
  );
});

describe("examples/hono/worker.ts, in an edge runtime", () => {
  it("decides for whoever has a token of its issuer, by a PDP that it asks by fetch", async () => {
    const { outputFiles } = await build({
      entryPoints: ["examples/hono/worker.ts"],
      bundle: true,
      format: "iife",
      globalName: "worker",
      platform: "neutral",
      mainFields: ["module", "main"],
      // What the package's condition `workerd` leads to.
      alias: { "hopguard/cerbos": "./src/pdp/edge.ts" },
      write: false,
    });
    const vm = new EdgeVM({
      extend: (context) => {
        context.console = { ...context.console, error: () => undefined };
        return context;
      },
    });
    const { default: app } = vm.evaluate<typeof worker>(`${outputFiles[0]?.text ?? ""}; worker`);

    const policies = new URL("../../examples/express/policies", import.meta.url);
    const [pdp, issuer] = await Promise.all([startPdp({ policies }), startIssuer()]);
    onTestFinished(() => Promise.all([pdp.stop(), issuer.stop()]).then(() => undefined));
    const env = {
      PDP_URL: pdp.url,
      ISSUER: issuer.url,
      AUDIENCE: "https://desk.example",
      OPENAI_API_KEY: "none",
      ANTHROPIC_API_KEY: "none",
    };
    const post = async (path: string, body: object, authorization?: string): Promise<readonly unknown[]> => {
      const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      const response = await app.fetch(new Request(`https://desk.example${path}`, init), env);
      return [response.status, (await response.json()) as unknown];
    };
    const bens = `Bearer ${await issuer.token(env.AUDIENCE)}`;
    const refund = "/payments/P-9001/refunds";
    expect(await post(refund, { amount_cents: 4000 }, bens)).toMatchObject([201, { refunded_cents: 4000 }]);
    const beyond = { denial: { code: "policy_denied", remediation: { approvers_role: "lead" } } };
    expect(await post(refund, { amount_cents: 9000 }, bens)).toMatchObject([403, beyond]);
    expect(await post(refund, { amount_cents: 4000 })).toMatchObject([401, {}]);
    const [status, body] = await post("/openai/v1/chat/completions", { model: "gpt-4o", messages: [] }, bens);
    expect(status).toBe(403);
    expect(findDenial(body)).toMatchObject({ remediation: { type: "use_model", model: "gpt-4o-mini" } });
  }, 180_000);
});

/** An issuer that publishes its keys, and Ben's tokens. */
async function startIssuer() {
  const signer = new TokenSigner();
  const server = await serve(async (request) => {
    const { origin, pathname } = new URL(request.url);
    return Response.json(
      pathname === "/jwks" ? await signer.jwks() : { issuer: origin, jwks_uri: `${origin}/jwks` },
    );
  });
  const times = { iat: seconds(), exp: seconds(300) };
  return {
    ...server,
    token: (aud: string) =>
      signer.sign({ iss: server.url, sub: "u-1042", aud, roles: ["support"], ...times }),
  };
}

describe("the story of examples/mcp-server", () => {
  it("ends as told, and no tool runs that is not allowed", async () => {
    const stdout = await play("mcp-server");
    expect(stdout).toContain("The story ended as told: no tool ran that was not allowed.");
    expect(stdout.match(/→ 401, and a client finds: a token for \S+\/mcp from https:/g)).toHaveLength(2);
    expect(stdout).toMatch(
      /Ben's client \(SDK 1\) is shown payment_get; Ada's \(SDK 2\) payment_get, refund_issue/,
    );
    expect(stdout).toMatch(
      /Ben's client \(SDK 2\) is shown payment_get; Ada's \(SDK 1\) payment_get, refund_issue/,
    );
    expect(stdout.match(/a result that the model reads: leads refund up to 500 dollars/g)).toHaveLength(2);
    expect(stdout).toContain("Ada names Ben's MCP session: 404");
  }, 180_000);

  it.each([
    ["policies", "Expected values to be strictly deep-equal"],
    ["signatures", "200 !== 401"],
  ])(
    "exits with 1 when the guards do not look at %s",
    async (what, complaint) => {
      vi.spyOn(console, "log").mockImplementation(() => undefined);
      const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
      expect(await runMcpServer(newGuard(what))).toBe(1);
      expect(complaints.mock.calls.flat().map(String).join()).toContain(complaint);
    },
    60_000,
  );
});

function newGuard(what: string): { readonly newGuard: (options: GuardOptions) => Guard } {
  const made = lacking[what];
  if (!made) throw new Error(`there is no guard that lacks ${what}`);
  return { newGuard: made };
}
