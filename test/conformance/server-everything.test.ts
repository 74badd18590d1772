import type { Session } from "hopguard";
import { guardTransport, type AnyClientTransport } from "hopguard/mcp";
import type { LocalPdp } from "hopguard/pdp";
import { recordingAudit } from "hopguard/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestPdp } from "../support/test-pdp";
import { tourist1, tourist2, type Tourist } from "./everything-clients";
import { everythingScript, startEverything } from "./everything-server";
import { record, type Recording } from "./recording";
import { openSession } from "./session";

let pdp: LocalPdp;

beforeAll(async () => {
  pdp = await startTestPdp({ policies: new URL("policies", import.meta.url) });
});
afterAll(() => pdp.stop());

const TOURISTS: readonly (readonly [string, () => Tourist])[] = [
  ["client 1.x", tourist1],
  ["client 2.x", () => tourist2()],
  ["client 2.x, finding out the revision", () => tourist2("auto")],
];

interface Opened {
  readonly transport: AnyClientTransport;
  readonly stop?: () => void;
}
type Open = (sdk: Tourist["sdk"]) => Opened | Promise<Opened>;

const overStdio: Open = ({ StdioClientTransport }) => {
  const args = [everythingScript, "stdio"];
  return { transport: new StdioClientTransport({ command: process.execPath, args, stderr: "ignore" }) };
};

const overHttp: Open = async ({ StreamableHTTPClientTransport }) => {
  const { url, stop } = await startEverything();
  return { transport: new StreamableHTTPClientTransport(url), stop };
};

/** Visits a server of its own, so that no visit changes what another sees. */
async function visit({ client, sdk, visit }: Tourist, open: Open, session?: Session): Promise<Recording> {
  const { transport, stop } = await open(sdk);
  try {
    const used = session ? guardTransport(transport, session, { server: "conformance" }) : transport;
    const recording = record(used);
    await client.connect(used);
    await visit();
    return recording();
  } finally {
    await client.close();
    stop?.();
  }
}

/** Takes away what the guard sets for SDK 2's cache, and sees that it is there. */
function withoutCaching({ answers, ...rest }: Recording): Recording {
  const entries = Object.entries(answers).map(([name, answer]) => {
    if (!/ (tools|prompts|resources|resources\/templates)\/(list|read)$/.test(name)) return [name, answer];
    const { cacheScope, ttlMs, ...result } = answer as Record<string, unknown>;
    if (!("code" in result)) expect({ cacheScope, ttlMs }).toEqual({ cacheScope: "private", ttlMs: 0 });
    return [name, result];
  });
  return { answers: Object.fromEntries(entries) as Recording["answers"], ...rest };
}

describe.each([
  ["stdio", overStdio],
  ["Streamable HTTP", overHttp],
])("MCP's reference server over %s shows the same with a guard as without", (_name, open) => {
  // They wait for the server most of the time.
  it.concurrent.each(TOURISTS)("to a %s", { timeout: 60_000 }, async (_name, tourist) => {
    const audit = recordingAudit();
    const session = await openSession(pdp.url, audit);
    const [bare, guarded] = await Promise.all([visit(tourist(), open), visit(tourist(), open, session)]);
    expect(Object.keys(bare.answers).length).toBeGreaterThan(45);
    expect(Object.keys(bare.asked).length).toBeGreaterThan(2);
    expect(withoutCaching(guarded)).toEqual(bare);
    expect(audit.records.length).toBeGreaterThan(45);
    expect(audit.records.filter(({ effect }) => effect === "deny")).toEqual([]);
  });
});
