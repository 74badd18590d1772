import { createGuard, type Session } from "hopguard";
import { recordingAudit, stubPdp, type RecordingAudit, type StubPdp } from "hopguard/testing";
import { z } from "zod";
import { beforeEach, describe, expect, it } from "vitest";

describe("a look-up", () => {
  let pdp: StubPdp;
  let audit: RecordingAudit;
  let session: Session;

  beforeEach(async () => {
    pdp = stubPdp({
      rules: [
        ({ resource }) => resource.id === "small" || undefined,
        ({ resource }) => resource.attr.effect === "read" || undefined,
      ],
      plan: (_query, action) => (action.endsWith("/refund") ? "conditional" : "never"),
    });
    audit = recordingAudit();
    const guard = createGuard({ pdp, audit });
    session = await guard.session({ principal: { id: "u-1", roles: ["user"] }, agent: { id: "bot" } });
  });

  it("of many models is one record", async () => {
    const { models } = await session.capabilities({ models: ["small", "large", "Small"] });
    expect(models).toEqual({ small: "always", large: "never", Small: "never" });
    expect(audit.records).toMatchObject([
      { effect: "allow", flags: ["look_up"], detail: "shows 1 of 3", hop: { name: "*", action: "list" } },
    ]);
  });

  it("of tools of different effects is one record, and each is asked about with its own", async () => {
    const tools = await session.visible("desk", ["get", "refund", "erase"], {
      effects: { get: "read", erase: "destructive" },
    });
    expect(tools).toEqual({ get: "always", refund: "conditional", erase: "never" });
    expect(audit.records).toMatchObject([{ detail: "shows 2 of 3", flags: ["look_up"] }]);
    const ids = pdp.queries.map(({ resource }) => resource.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("is remembered for a moment, and asked again for what is new only", async () => {
    await session.visible("desk", ["get"]);
    await session.visible("desk", ["get", "refund"]);
    expect(pdp.queries.map(({ actions }) => actions)).toEqual([["tools/call/get"], ["tools/call/refund"]]);
  });

  it("serves the refusal of invalid arguments, too: the PDP is not asked again", async () => {
    await session.visible("desk", ["refund"], { effects: { refund: "destructive" } });
    const asked = pdp.queries.length;
    const call = {
      kind: "mcp_desk",
      action: "tools/call/refund",
      attr: { effect: "destructive", arguments: {} },
    };
    const schema = z.object({ amount_cents: z.int() });
    const decision = await session.check(call, { schema });
    expect(decision).toMatchObject({ effect: "deny", denial: { code: "arguments_invalid" } });
    expect(pdp.queries).toHaveLength(asked);
  });

  it("that fails is recorded as one, and shows nothing", async () => {
    pdp.interrupt(() => Promise.reject(new Error("down")));
    await expect(session.visible("desk", ["get"])).rejects.toMatchObject({
      denial: { code: "pdp_unavailable" },
    });
    expect(audit.records).toMatchObject([{ effect: "deny", flags: ["look_up"] }]);
  });

  it("that fails is no denial of anything that was attempted", async () => {
    pdp.interrupt(() => Promise.reject(new Error("down")));
    await expect(session.visible("desk", ["get"])).rejects.toThrow();
    pdp.interrupt(undefined);
    await session.check({ kind: "mcp_desk", action: "tools/call/get" });
    expect(pdp.queries.at(-1)?.resource.attr.context).toMatchObject({ session: { steps: 1, denials: 0 } });
  });
});

it("no agent may be called what a denial calls the subject", async () => {
  const guard = createGuard({ pdp: stubPdp(), audit: recordingAudit() });
  const options = { principal: { id: "u-1", roles: ["user"] }, agent: { id: "subject" } };
  await expect(guard.session(options)).rejects.toThrow("agent.id");
});
