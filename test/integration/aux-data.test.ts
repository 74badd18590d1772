import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGuard, type GuardOptions, type Session } from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { jwt } from "hopguard/identity";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { testPdps } from "../support/test-pdp";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://idp.example";
const signer = new TokenSigner();
const POLICY = {
  apiVersion: "api.cerbos.dev/v1",
  resourcePolicy: {
    resource: "mcp_payments",
    version: "default",
    rules: [
      {
        actions: ["tools/call/balance_get"],
        effect: "EFFECT_ALLOW",
        roles: ["clerk"],
        condition: { match: { expr: "request.auxData.jwt.department == 'finance'" } },
      },
    ],
  },
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.each(testPdps())("a PDP $name that verifies tokens by itself", ({ binary }) => {
  let folder: string;
  let server: ChildProcess;
  let pdp: CerbosPdp;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hopguard-aux-data-"));
    const port = await freePort();
    const config = {
      server: { httpListenAddr: `127.0.0.1:${port}`, grpcListenAddr: `unix:${folder}/grpc.sock` },
      storage: { driver: "disk", disk: { directory: join(folder, "policies") } },
      auxData: { jwt: { keySets: [{ id: "idp", local: { file: join(folder, "jwks.json") } }] } },
      telemetry: { disabled: true },
    };
    await mkdir(join(folder, "policies"));
    await writeFile(join(folder, "policies", "payments.json"), JSON.stringify(POLICY));
    await writeFile(join(folder, "jwks.json"), JSON.stringify(await signer.jwks()));
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    server = spawn(binary, ["server", `--config=${join(folder, "config.json")}`], { stdio: "ignore" });
    await vi.waitFor(() => fetch(`http://127.0.0.1:${port}/_cerbos/health`), { timeout: 20_000 });
    pdp = cerbos(`http://127.0.0.1:${port}`);
  });
  afterAll(async () => {
    pdp.close();
    server.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  async function clerk(department: string, options: Partial<GuardOptions> = {}): Promise<Session> {
    const identity = jwt({
      issuer: ISSUER,
      audience: "agents",
      jwks: await signer.jwks(),
      claims: { roles: { claim: "roles", default: ["clerk"] } },
    });
    const guard = createGuard({ pdp, audit: auditRecorder(), identity, timeoutMs: 10_000, ...options });
    const token = await signer.sign({
      iss: ISSUER,
      aud: "agents",
      sub: "u-1",
      iat: seconds(),
      exp: seconds(600),
      department,
    });
    return guard.session({ token, agent: { id: "bot" } });
  }
  const hop = { kind: "mcp_payments", action: "tools/call/balance_get" };
  const auxData = { keySetId: "idp" };

  it("reads the claims of the subject's token, and not of anybody else's", async () => {
    const [finance, sales] = await Promise.all([clerk("finance", { auxData }), clerk("sales", { auxData })]);
    const effects = await Promise.all([finance, sales, finance].map((session) => session.check(hop)));
    expect(effects.map(({ effect }) => effect)).toEqual(["allow", "deny", "allow"]);
    expect(await finance.visible("payments", ["balance_get"])).toEqual({ balance_get: "always" });
  });

  it("gets no token unless the operator says so", async () => {
    const session = await clerk("finance");
    expect(await session.check(hop)).toMatchObject({ denial: { code: "policy_denied" } });
  });
});
