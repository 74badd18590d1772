import { exportJWK } from "jose";
import {
  ConfigurationError,
  findDenial,
  type AuthorizationDetails,
  type DelegateOptions,
  type Guard,
  type GuardOptions,
  type Session,
  type SessionOptions,
} from "hopguard";
import { delegationTokens, type DelegationTokensOptions } from "hopguard/identity";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { handedOn, refusal, tokenOf, trusting } from "../../support/delegations";
import type { Rule } from "../../support/policies";
import {
  denialIn,
  expectNothingSent,
  modelDoors,
  onEveryPdp,
  openStage,
  toolDoors,
  type Stage,
} from "../../support/threats";
import { TokenSigner } from "../../support/token-signer";

const allow = (roles: readonly string[], ...actions: readonly string[]): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles,
});
const AGENTS = ["executor", "helper", "third", "fourth"];
const policies = [
  ...AGENTS.map((agent) => ({ kind: `a2a_${agent}`, rules: [allow(["clerk", "agent"], "delegate")] })),
  {
    kind: "ledger",
    rules: [allow(["clerk"], "read"), { ...allow(["banned"], "read"), effect: "EFFECT_DENY" as const }],
  },
];

/** Refunds up to 4000, at the till and by local tools alike; policies allow 5000. */
const tills = (actions: readonly string[], maximum?: number): readonly AuthorizationDetails[] =>
  ["mcp_till", "tool_till"].map((type) => ({
    type,
    actions,
    ...(maximum !== undefined && { constraints: { "arguments.amount_cents": { maximum } } }),
  }));
const REFUNDS = tills(["tools/call/refund"], 4000);
const handOn = (authorization_details: readonly AuthorizationDetails[]): Partial<DelegateOptions> => ({
  authorization_details,
});

onEveryPdp("authority that is handed on", (pdp) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(pdp, { policies });
  });
  afterAll(() => stage.close());
  beforeEach(() => stage.reset());

  const open = (
    guard: Guard = stage.guard,
    user = "clerk-1",
    roles: readonly string[] = ["clerk"],
  ): Promise<Session> =>
    guard.session({
      principal: { id: user, roles },
      agent: { id: "root", roles: ["clerk"] },
      task: { id: "T-1" },
    });
  const guardWith = (options: Partial<GuardOptions>): Guard => stage.guardWith(options);

  describe.each(toolDoors)("by $name", ({ open: door }) => {
    it("is within the grant of every link, which the agent further down has left out", async () => {
      const first = await handedOn(await open(), ["executor"], handOn(REFUNDS));
      const last = await handedOn(first, ["helper"], handOn(tills(["tools/call/refund"])));
      const call = await door(stage, last);
      for (const [tool, args] of [
        ["refund", { amount_cents: 4001 }],
        ["refund", { amount_cents: 1e308 }],
        ["payout", { amount_cents: 1 }],
        ["note", { text: "x" }],
      ] as const)
        expect((await denialIn(call(tool, args))).code).toMatch(/^(delegation_invalid|policy_denied)$/);
      for (const amount_cents of ["4000", null, [4000], { v: 4000 }, true, undefined])
        expect(await denialIn(call("refund", { amount_cents }))).toMatchObject({ decision: "deny" });
      expectNothingSent(stage);
      await call("refund", { amount_cents: 4000 });
      expect(stage.upstream()).toHaveLength(1);
    });

    it("is never more than the user's, however much was granted", async () => {
      const call = await door(
        stage,
        await handedOn(await open(), ["executor"], handOn(tills(["tools/call/*"], 1e9))),
      );
      expect(await denialIn(call("refund", { amount_cents: 5001 }))).toMatchObject({
        code: "policy_denied",
        refused_by: "subject",
      });
      expectNothingSent(stage);
    });

    it.each<[string, readonly AuthorizationDetails[]]>([
      ["an empty list", []],
      ["an entry without actions", tills([])],
      ["something else", [{ type: "llm_model", actions: ["completion"] }]],
      [
        "a kind in capitals",
        [
          { type: "MCP_till", actions: ["tools/call/refund"] },
          { type: "Tool_till", actions: ["tools/call/refund"] },
        ],
      ],
    ])("is nothing, where %s was granted", async (_, details) => {
      const child = await handedOn(await open(), ["executor"], handOn(details));
      const called = door(stage, child).then((call) => call("refund", { amount_cents: 1 }));
      expect((await denialIn(called)).code).toBe("delegation_invalid");
      expectNothingSent(stage);
    });

    it.each(["delegation", "parent", "session", "task", "principal", "agent"] as const)(
      "ends when the %s is revoked",
      async (what) => {
        const guard = guardWith({});
        const root = await open(guard);
        const parent = await handedOn(root, ["executor"], handOn(REFUNDS));
        const child = await handedOn(parent, ["helper"], handOn(REFUNDS));
        const call = await door(stage, child);
        await guard.revoke(
          {
            delegation: { delegation: String(child.delegation) },
            parent: { delegation: String(parent.delegation) },
            session: { session: root.id },
            task: { task: "T-1" },
            principal: { principal: "clerk-1" },
            agent: { agent: "executor" },
          }[what],
        );
        expect((await denialIn(call("refund", { amount_cents: 1 }))).code).toBe("revoked");
        expectNothingSent(stage);
      },
    );

    it("ends when it expires, or the user's token does", async () => {
      let now = Date.now();
      const guard = guardWith({ clock: () => new Date(now), identity: trusting });
      const token = tokenOf({ expiresAt: now + 50_000 });
      const root = await guard.session({ token, agent: { id: "root" } });
      const short = await door(
        stage,
        await handedOn(root, ["executor"], { ...handOn(REFUNDS), expiresIn: 10 }),
      );
      const long = await door(stage, await handedOn(root, ["executor"], handOn(REFUNDS)));
      now += 10_000;
      expect((await denialIn(short("refund", { amount_cents: 1 }))).code).toBe("delegation_invalid");
      expectNothingSent(stage);
      await long("refund", { amount_cents: 1 });
      stage.reset();
      now += 40_000;
      expect((await denialIn(long("refund", { amount_cents: 1 }))).code).toBe("unauthenticated");
      expectNothingSent(stage);
    });
  });

  describe.each(modelDoors)("by $name", ({ allowed, path, body, open: door }) => {
    const asking = async (session: Session): Promise<unknown> =>
      door(stage, session, { maxRetries: 0 }).post(path, { body: body(allowed) });
    const granting = async (details: AuthorizationDetails): Promise<Session> =>
      handedOn(await open(), ["executor"], handOn([details]));

    it.each<[string, AuthorizationDetails]>([
      ["another model", { type: "llm_model", identifier: "gpt-4o", actions: ["completion"] }],
      [
        "the model in capitals",
        { type: "llm_model", identifier: allowed.toUpperCase(), actions: ["completion"] },
      ],
      ["a glob for a model", { type: "llm_model", identifier: "*", actions: ["completion"] }],
      ["another action", { type: "llm_model", identifier: allowed, actions: ["embedding"] }],
      ["the beginning of its action", { type: "llm_model", identifier: allowed, actions: ["complet"] }],
      ["tools", { type: "mcp_till", actions: ["tools/call/refund"] }],
    ])("is not what was granted: %s", async (_, details) => {
      expect(await denialIn(asking(await granting(details)))).toMatchObject({
        code: "delegation_invalid",
        refused_by: "executor",
      });
      expectNothingSent(stage);
    });

    it("is what was granted", async () => {
      await asking(await granting({ type: "llm_model", identifier: allowed, actions: ["completion"] }));
      expect(stage.upstream()).toHaveLength(1);
    });
  });

  describe("never widens:", () => {
    it.each<[string, Partial<DelegateOptions>]>([
      ["every action", handOn(tills(["*"]))],
      ["a wider glob", handOn(tills(["tools/call/*"]))],
      ["the glob of one tool", handOn(tills(["tools/call/refund*"], 4000))],
      ["a greater limit", handOn(tills(["tools/call/refund"], 4001))],
      [
        "another limit's text",
        handOn([
          {
            ...REFUNDS[0],
            constraints: { "arguments.amount_cents": { enum: ["4000"] } },
          } as AuthorizationDetails,
        ]),
      ],
      ["another server", handOn([{ type: "mcp_vault", actions: ["initialize"] }])],
      ["the agent itself", { to: "executor" }],
      ["more depth", { maxDepth: 3 }],
      ["more time", { expiresIn: 86_400 }],
    ])("%s", async (_, options) => {
      const child = await handedOn(await open(), ["executor"], { ...handOn(REFUNDS), maxDepth: 2 });
      expect(
        (await refusal(child.delegate({ to: "helper", authorization_details: REFUNDS, ...options }))).code,
      ).toBe("delegation_invalid");
    });

    it("a chain that is too deep, a circle, or one that may not go on", async () => {
      const third = await handedOn(await open(), ["executor", "helper", "third"], handOn(REFUNDS));
      for (const to of ["fourth", "executor", "helper", "third"])
        expect((await refusal(third.delegate({ to, authorization_details: REFUNDS }))).code).toBe(
          "delegation_invalid",
        );
      const leaf = await handedOn(await open(), ["executor"], { ...handOn(REFUNDS), mayDelegate: false });
      expect((await refusal(leaf.delegate({ to: "helper", authorization_details: [] }))).code).toBe(
        "delegation_invalid",
      );
    });

    it("by any role of an agent: where agents are principals, each is asked about by itself", async () => {
      const guard = guardWith({ agents: "principal" });
      const ledger = [{ type: "ledger", actions: ["read"] }];
      const read = async (...roles: readonly (readonly string[])[]): Promise<string | undefined> => {
        let last = await open(guard);
        for (const [index, to] of AGENTS.slice(0, roles.length).entries())
          last = await last.delegate({
            to: { id: to, roles: roles[index] ?? [] },
            authorization_details: ledger,
            mayDelegate: true,
          });
        const decision = await last.check({ kind: "ledger", id: "1", action: "read" });
        return decision.effect === "allow" ? undefined : decision.denial.refused_by;
      };
      expect(await read(["clerk"], ["clerk"])).toBeUndefined();
      // Any role's ALLOW would beat another role's DENY, were they one principal.
      expect(await read(["clerk"], ["banned"])).toBe("helper");
      expect(await read(["banned"], ["clerk"])).toBe("executor");
      expect(await read(["clerk"], [], ["clerk"])).toBe("helper");
      const keeper = await open(guard, "keeper-1", ["keeper"]);
      expect(await refusal(keeper.delegate({ to: "executor", authorization_details: [] }))).toMatchObject({
        refused_by: "subject",
      });
    });
  });

  describe("is proven, and nobody's word for it:", () => {
    const signer = new TokenSigner();
    let options: DelegationTokensOptions;
    beforeAll(async () => {
      const key = await exportJWK(signer.keys["es-1"].privateKey);
      const keys = await signer.jwks(["es-1"]);
      options = { issuer: "https://agents.example", sign: { key, algorithm: "ES256", kid: "es-1" }, keys };
    });

    it.each<[string, object]>([
      ["links", { links: [] }],
      ["a chain", { chain: ["root"] }],
      ["a grant", { authorization_details: [] }],
      ["a delegation that is no token", { delegation: { links: [] } }],
      ["a root", { root: { id: "root" } }],
      [
        "a delegation of the user's",
        { principal: { id: "u", roles: ["clerk"], attr: { delegation: { depth: 0 } } } },
      ],
      ["a delegation of the agent's", { agent: { id: "root", attr: { delegation: { depth: 0 } } } }],
    ])("a session takes no %s from its caller", async (_, more) => {
      const given = {
        principal: { id: "u", roles: ["clerk"] },
        agent: { id: "root" },
        ...more,
      } as SessionOptions;
      await expect(stage.guard.session(given)).rejects.toThrow(ConfigurationError);
    });

    it("a token that anybody has touched opens nothing, and tells nobody why", async () => {
      const guard = guardWith({ delegation: { tokens: delegationTokens(options) } });
      const child = await handedOn(await open(guard), ["executor"], handOn(REFUNDS));
      const token = await child.delegationToken();
      const [head = "", payload = "", signature = ""] = token.split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
      const text = JSON.stringify(claims);
      const encode = (value: string) => Buffer.from(value).toString("base64url");
      const header = { typ: "hopguard-delegation+jwt" };
      const forged: readonly (string | Promise<string>)[] = [
        [head, encode(text.replace("4000", "9999")), signature].join("."),
        [encode(JSON.stringify({ ...header, alg: "none" })), payload, ""].join("."),
        signer.sign(claims, { ...header, kid: "foreign-1" }),
        signer.sign({ ...claims, aud: "helper" }, header),
        signer.sign({ ...claims, exp: 1 }, header),
        signer.sign({ ...claims, delegation: {} }, header),
        signer.signWithPublicKey(claims, "es-1"),
      ];
      for (const given of forged) {
        const { code, reason } = await refusal(
          guard.session({ delegation: await given, agent: { id: "executor" } }),
        );
        expect({ code, reason }).toEqual({
          code: "delegation_invalid",
          reason: "The delegation behind this call is not valid.",
        });
      }
      expect((await guard.session({ delegation: token, agent: { id: "executor" } })).agent).toBe("executor");
      expectNothingSent(stage);
    });
  });

  it("is told apart in a hundred calls at once, of two users and three agents", async () => {
    const [local] = toolDoors.filter(({ name }) => name.includes("zod"));
    if (!local) throw new Error("there are no local tools");
    const sessions: {
      readonly user: string;
      readonly agent: string;
      readonly maximum: number;
      readonly session: Session;
    }[] = [];
    for (const user of ["ada", "bob"])
      for (const [index, agent] of ["executor", "helper", "third"].entries()) {
        const maximum = 1000 * (index + 1);
        const session = await handedOn(
          await open(stage.guard, user),
          [agent],
          handOn(tills(["tools/call/refund"], maximum)),
        );
        sessions.push({ user, agent, maximum, session });
      }
    stage.reset();
    const outcomes = await Promise.all(
      Array.from({ length: 102 }, async (_, index) => {
        const { user, agent, maximum, session } = sessions[index % sessions.length] ?? expect.fail();
        const amount_cents = maximum + (index % 4 === 0 ? 1 : 0);
        const call = await local.open(stage, session);
        const outcome = await Promise.resolve(call("refund", { amount_cents })).catch(
          (error: unknown) => error,
        );
        return { user, agent, isBeyond: amount_cents > maximum, denial: findDenial(outcome) };
      }),
    );
    for (const { agent, isBeyond, denial } of outcomes)
      expect(denial?.refused_by).toBe(isBeyond ? agent : undefined);
    expect(stage.upstream()).toHaveLength(outcomes.filter(({ isBeyond }) => !isBeyond).length);
    for (const { user, agent, isBeyond } of outcomes)
      expect(stage.records).toContainEqual(
        expect.objectContaining({
          effect: isBeyond ? "deny" : "allow",
          agent: expect.objectContaining({ id: agent }) as object,
          subject: { id: user, roles: ["clerk"] },
        }),
      );
  });
});
