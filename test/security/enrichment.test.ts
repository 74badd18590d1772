import {
  createGuard,
  type AttributeProvider,
  type Classifier,
  type GuardOptions,
  type Hop,
  type PdpQuery,
  type Session,
} from "hopguard";
import { guardFetch } from "hopguard/fetch";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { serve, type LoopbackServer } from "../../examples/shared/serve";
import { auditRecorder } from "../support/audit-recorder";

const deploy = (project: string): Hop => ({
  kind: "mcp_deploy",
  action: "tools/call/start",
  attr: { arguments: { project } },
});

async function open(enrich: readonly AttributeProvider[], options: Partial<GuardOptions> = {}) {
  const pdp = stubPdp({ rules: [() => true], plan: () => "conditional" });
  const audit = auditRecorder();
  const session = await createGuard({ pdp, audit, enrich, ...options }).session({
    principal: { id: "u-1", roles: ["engineer"], attr: { department: "claimed" } },
    agent: { id: "bot", roles: ["deployer"], attr: { trust: "claimed" } },
    task: { id: "T-1", attr: { priority: "claimed" } },
  });
  return { pdp, audit, session };
}

const codeOf = async (session: Session, hop = deploy("web")): Promise<string> => {
  const decision = await session.check(hop);
  return decision.effect === "allow" ? "allow" : decision.denial.code;
};
const facts = (query: PdpQuery | undefined) => query?.resource.attr.facts;

describe("what providers find out", () => {
  it("is there for the policy: of the target by argument, of the principal, the agent and the task", async () => {
    const { pdp, session } = await open(
      [
        {
          name: "project",
          provide: ({ hop }) => {
            const { project } = hop.attr.arguments as { project: string };
            return Promise.resolve({ owningTeamID: project === "web" ? "team-7" : "team-8" });
          },
        },
        {
          name: "directory",
          adds: "principal",
          keys: ["department"],
          provide: () => Promise.resolve({ department: "it" }),
        },
        {
          name: "registry",
          adds: "agent",
          keys: ["trust"],
          provide: () => Promise.resolve({ trust: "low" }),
        },
        {
          name: "tracker",
          adds: "task",
          keys: ["priority"],
          provide: () => Promise.resolve({ priority: "p1" }),
        },
      ],
      { agents: "principal" },
    );
    expect(await codeOf(session)).toBe("allow");
    const [subject, agent] = pdp.queries;
    expect(facts(subject)).toEqual({ project: { owningTeamID: "team-7" } });
    expect(subject?.principal.attr).toMatchObject({
      department: "it",
      agent: { id: "bot", attr: { trust: "low" } },
      task: { id: "T-1", priority: "p1" },
    });
    expect(agent?.principal).toMatchObject({
      id: "bot",
      attr: { trust: "low", subject: { id: "u-1", attr: { department: "it" } }, task: { priority: "p1" } },
    });
    // The same objects while the same is found out, so that checks share requests to the PDP.
    await codeOf(session, deploy("api"));
    expect(pdp.queries[2]?.principal).toBe(subject?.principal);
    expect(facts(pdp.queries[2])).toEqual({ project: { owningTeamID: "team-8" } });
  });

  it("of the principal is there for look-ups too", async () => {
    const { pdp, session } = await open([
      {
        name: "directory",
        adds: "principal",
        keys: ["department"],
        provide: () => Promise.resolve({ department: "it" }),
      },
      { name: "project", provide: () => Promise.reject(new Error("asked without arguments")) },
    ]);
    expect(await session.visible("deploy", ["start"])).toEqual({ start: "always" });
    expect(pdp.queries[0]?.principal.attr.department).toBe("it");
  });

  it("is what was declared, of one or of each row", async () => {
    const { pdp, session } = await open([
      { name: "one", keys: ["a", "b"], provide: () => Promise.resolve({ a: 1 }) },
      { name: "many", keys: ["a"], provide: () => Promise.resolve([{ a: 1 }, { a: 2 }]) },
    ]);
    expect(await codeOf(session)).toBe("allow");
    expect(facts(pdp.queries[0])).toEqual({ one: { a: 1 }, many: [{ a: 1 }, { a: 2 }] });
  });

  it("comes in the order in which providers wait for one another, and otherwise side by side", async () => {
    const order: string[] = [];
    const provider = (name: string, after: readonly string[] = []): AttributeProvider => ({
      name,
      after,
      provide: async ({ facts }) => {
        order.push(`${name} knows ${Object.keys(facts).sort().join("+")}`);
        await Promise.resolve();
        return name;
      },
    });
    const { session } = await open([provider("c", ["a", "b"]), provider("a"), provider("b")]);
    expect(await codeOf(session)).toBe("allow");
    expect(order).toEqual(["a knows ", "b knows ", "c knows a+b"]);
  });

  it("is told to those that have asked for it, and to nobody else who happens to be slower", async () => {
    const known: string[][] = [];
    const { session } = await open([
      { name: "quick", provide: () => Promise.resolve("q") },
      { name: "first", provide: () => new Promise((resolve) => setTimeout(resolve, 10, "f")) },
      {
        name: "second",
        after: ["first"],
        cache: { per: "hop", ttlMs: 1000 },
        provide: ({ facts }) => {
          known.push(Object.keys(facts));
          return Promise.resolve("s");
        },
      },
    ]);
    expect(await codeOf(session)).toBe("allow");
    expect(known).toEqual([["first"]]);
  });

  it("of one name by two providers is what the later one says, whoever answers first", async () => {
    const saying = (name: string, ms: number): AttributeProvider => ({
      name,
      adds: "principal",
      keys: ["department"],
      provide: () => new Promise((resolve) => setTimeout(resolve, ms, { department: name })),
    });
    for (const [first, second] of [
      [0, 20],
      [20, 0],
    ] as const) {
      const { pdp, session } = await open([saying("earlier", first), saying("later", second)]);
      expect(await codeOf(session)).toBe("allow");
      expect(pdp.queries[0]?.principal.attr.department).toBe("later");
    }
  });

  it("of one principal is not remembered for who the token speaks for next", async () => {
    let roles = ["engineer"];
    const audit = auditRecorder();
    const guard = createGuard({
      pdp: stubPdp({ rules: [() => true] }),
      audit,
      identity: {
        verify: () =>
          Promise.resolve({ principal: { id: "u-1", roles }, auth: { method: "jwt", verified: true } }),
      },
      enrich: [
        {
          name: "limit",
          cache: { per: "session", ttlMs: 60_000 },
          provide: ({ principal }) => {
            asked.push(principal.roles);
            return Promise.resolve(principal.roles.includes("lead") ? 5000 : 100);
          },
        },
      ],
    });
    const asked: (readonly string[])[] = [];
    const session = await guard.session({ token: "t", agent: { id: "bot" } });
    await codeOf(session);
    await codeOf(session);
    roles = ["lead"];
    await codeOf(session);
    expect(asked).toEqual([["engineer"], ["lead"]]);
  });

  it("is asked for on every hop, or remembered as long as the provider says, and then for its own question", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const asked: string[] = [];
    const counting = (name: string, cache?: AttributeProvider["cache"]): AttributeProvider => ({
      name,
      ...(cache && { cache }),
      provide: ({ hop }) => {
        asked.push(`${name} ${(hop.attr.arguments as { project: string }).project}`);
        return Promise.resolve(asked.length);
      },
    });
    try {
      const { session } = await open([
        counting("fresh"),
        counting("hop", { per: "hop", ttlMs: 1000 }),
        counting("session", { per: "session", ttlMs: 1000 }),
      ]);
      for (const project of ["web", "web", "api"]) await codeOf(session, deploy(project));
      expect(asked.filter((line) => line.startsWith("fresh"))).toHaveLength(3);
      expect(asked.filter((line) => line.startsWith("hop"))).toEqual(["hop web", "hop api"]);
      expect(asked.filter((line) => line.startsWith("session"))).toEqual(["session web"]);
      vi.advanceTimersByTime(1001);
      await codeOf(session);
      expect(asked.filter((line) => line.startsWith("session"))).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is asked for once by hops that ask at once, and a failure is not remembered", async () => {
    let calls = 0;
    const { session } = await open([
      {
        name: "slow",
        cache: { per: "session", ttlMs: 60_000 },
        provide: async () => {
          calls++;
          await new Promise((resolve) => setTimeout(resolve, 10));
          if (calls === 1) throw new Error("away");
          return true;
        },
      },
    ]);
    const together = await Promise.all(["a", "b", "c"].map((project) => codeOf(session, deploy(project))));
    expect(together).toEqual(Array(3).fill("enrichment_failed"));
    expect(calls).toBe(1);
    expect(await codeOf(session)).toBe("allow");
  });
});

describe("a provider that", () => {
  const denied: readonly [string, AttributeProvider][] = [
    ["rejects", { name: "p", provide: () => Promise.reject(new Error("db.internal:5432")) }],
    ["is silent", { name: "p", timeoutMs: 20, provide: () => new Promise(() => undefined) }],
    ["answers nothing", { name: "p", provide: () => Promise.resolve(undefined) }],
    [
      "answers in another shape",
      { name: "p", schema: z.object({ id: z.string() }), provide: () => Promise.resolve({ id: 1 }) },
    ],
    [
      "is held against a schema that never answers",
      {
        name: "p",
        timeoutMs: 20,
        schema: z.unknown().refine(() => new Promise<boolean>(() => undefined)),
        provide: () => Promise.resolve(1),
      },
    ],
    [
      "adds what it has not declared",
      {
        name: "p",
        adds: "principal",
        keys: ["a"],
        provide: () => Promise.resolve({ a: 1, roles: ["admin"] }),
      },
    ],
    [
      "adds a fact that it has not declared",
      { name: "p", keys: ["a"], provide: () => Promise.resolve({ a: 1, b: 2 }) },
    ],
    [
      "adds one in a later row",
      { name: "p", keys: ["a"], provide: () => Promise.resolve([{ a: 1 }, { a: 1, b: 2 }]) },
    ],
    ["adds no object", { name: "p", adds: "task", keys: ["a"], provide: () => Promise.resolve(["a"]) }],
    [
      "adds __proto__",
      {
        name: "p",
        adds: "principal",
        keys: ["a"],
        provide: () => Promise.resolve(JSON.parse('{"__proto__":{"a":1}}') as unknown),
      },
    ],
  ];
  it.each(denied)("%s denies before the PDP is asked", async (_case, provider) => {
    const { pdp, session, audit } = await open([provider]);
    expect(await codeOf(session)).toBe("enrichment_failed");
    expect(pdp.queries).toEqual([]);
    expect(audit.records[0]?.reason).not.toContain("internal");
  });

  it.each(denied)("%s and is optional adds nothing, and is noted on the record", async (_case, provider) => {
    const { pdp, session, audit } = await open([{ ...provider, optional: true }]);
    expect(await codeOf(session)).toBe("allow");
    expect(facts(pdp.queries[0])).toBeUndefined();
    expect(audit.records[0]?.detail).toContain("attribute provider p");
  });

  it.each<[string, readonly Partial<AttributeProvider>[], RegExp]>([
    [
      "would set a name of the guard's own",
      [{ adds: "principal", keys: ["agent"] }],
      /enrich\.p0\.keys: agent/,
    ],
    ["would set the task's id", [{ adds: "task", keys: ["id"] }], /enrich\.p0\.keys: id/],
    ["does not say what it adds", [{ adds: "agent" }], /enrich\.p0\.keys/],
    ["adds to something else", [{ adds: "resource" as never, keys: ["a"] }], /enrich\.p0\.adds/],
    ["waits for nobody known", [{ after: ["nobody"] }], /p0 wait for/],
    ["waits in a circle", [{ after: ["p1"] }, { after: ["p0"] }], /p0, p1 wait for/],
    ["remembers for no time", [{ cache: { per: "session", ttlMs: 0 } }], /enrich\.p0\.cache/],
  ])("%s is refused where it is given", (_case, providers, message) => {
    const enrich = providers.map((provider, index) => ({
      name: `p${index}`,
      provide: () => Promise.resolve(1),
      ...provider,
    }));
    expect(() => createGuard({ pdp: stubPdp(), enrich })).toThrow(message);
  });
});

describe("what a request says", () => {
  const classifiers = [
    {
      name: "email",
      classify: ({ content }: { content: string }) => (/\S+@\S+/.test(content) ? ["personal", "eu"] : []),
    },
    {
      name: "card",
      classify: ({ content }: { content: string }) => (/\d{16}/.test(content) ? ["card", "personal"] : []),
    },
  ];
  const dataOf = (query: PdpQuery | undefined) => (query?.resource.attr.context as { data?: unknown }).data;

  it("is classified for the policy, and goes nowhere else", async () => {
    const { pdp, session, audit } = await open([], { classifiers });
    const model: Hop = { kind: "llm_model", id: "gpt-4o", action: "completion" };
    await session.check(model, { content: "ada@example.org 4111111111111111" });
    expect(dataOf(pdp.queries[0])).toEqual(["card", "eu", "personal"]);
    await session.check(deploy("ada@example.org"));
    expect(dataOf(pdp.queries[1])).toEqual(["eu", "personal"]);
    await session.check({ kind: "mcp_deploy", action: "tools/list" });
    expect(dataOf(pdp.queries[2])).toEqual([]);
    expect(JSON.stringify([pdp.queries[0], audit.records])).not.toContain("ada@");
  });

  it("is what it means, and not how JSON writes it: escapes and lines hide nothing", async () => {
    const seen: string[] = [];
    const patterns: Classifier = {
      name: "patterns",
      classify: ({ content }) => {
        seen.push(content);
        return /\b[A-Z]{2}\d{2}(?: ?\d{4}){3}/.test(content) ? ["iban"] : [];
      },
    };
    const { pdp, session } = await open([], { classifiers: [patterns] });
    await session.check(deploy("pay to\nDE89 3704 0044 0532"));
    expect(dataOf(pdp.queries[0])).toEqual(["iban"]);
    await session.check({
      kind: "mcp_deploy",
      action: "tools/call/start",
      attr: { arguments: { list: [{ "DE89 3704 0044 0532": true }, 4111111111111111] } },
    });
    expect(dataOf(pdp.queries[1])).toEqual(["iban"]);
    expect(seen).toEqual([
      "project\npay to\nDE89 3704 0044 0532",
      "list\nDE89 3704 0044 0532\ntrue\n4111111111111111",
    ]);
  });

  it.each([
    ["throws", () => Promise.reject(new Error("away"))],
    ["answers no list", () => "personal" as never],
  ])("denies when a classifier %s", async (_case, classify) => {
    const { pdp, session } = await open([], { classifiers: [{ name: "broken", classify }] });
    expect(await codeOf(session)).toBe("enrichment_failed");
    expect(pdp.queries).toEqual([]);
  });
});

describe("what a request to a model says is shown to classifiers as the provider will read it", () => {
  const seen: string[] = [];
  const classifiers: readonly Classifier[] = [
    {
      name: "email",
      classify: ({ content }) => {
        seen.push(content);
        return /\S+@\S+/.test(content) ? ["personal"] : [];
      },
    },
  ];
  const upstream: string[] = [];
  let server: LoopbackServer;
  beforeAll(async () => {
    server = await serve(async (request) => {
      upstream.push(await request.text());
      return Response.json({ id: "file-1", choices: [] });
    });
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    seen.length = 0;
    upstream.length = 0;
  });

  /** Residency as a policy has it: personal data goes nowhere. */
  const guarded = async () => {
    const pdp = stubPdp({
      rules: [({ resource }) => !JSON.stringify(resource.attr.context).includes("personal")],
    });
    const session = await createGuard({ pdp, audit: () => undefined, classifiers }).session({
      principal: { id: "u-1", roles: ["engineer"] },
      agent: { id: "bot" },
    });
    const fetch = guardFetch(session, { baseURL: `${server.url}/v1` });
    return (path: string, init: RequestInit) => fetch(`${server.url}/v1${path}`, { method: "POST", ...init });
  };
  const headers = { "content-type": "application/json" };

  it("however its JSON is written", async () => {
    const post = await guarded();
    const body = (content: string) =>
      `{"model":"gpt-4o","messages":[{"role":"user","content":"${content}"}]}`;
    const escaped = await post("/chat/completions", { headers, body: body("ada\\u0040example.org") });
    expect(escaped.status).toBe(403);
    expect(upstream).toEqual([]);
    expect((await post("/chat/completions", { headers, body: body("hello") })).status).toBe(200);
    expect(seen.at(-1)).toBe("model\ngpt-4o\nmessages\nrole\nuser\ncontent\nhello");
  });

  it("the lines of a batch's file included", async () => {
    const post = await guarded();
    const upload = (content: string): RequestInit => {
      const request = { model: "gpt-4o", messages: [{ role: "user", content }] };
      const line = { custom_id: "1", method: "POST", url: "/v1/chat/completions", body: request };
      const body = new FormData();
      body.append("purpose", "batch");
      body.append("file", new File([JSON.stringify(line).replace("@", "\\u0040")], "batch.jsonl"));
      return { body };
    };
    expect((await post("/files", upload("ada@example.org"))).status).toBe(403);
    expect(upstream).toEqual([]);
    expect((await post("/files", upload("hello"))).status).toBe(200);
  });
});
