import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ConfigurationError,
  createGuard,
  type AuditRecord,
  type Guard,
  type GuardOptions,
  type HopStanding,
  type Session,
} from "hopguard";
import { redisState, type RedisClient, type RedisState, type RedisStateOptions } from "hopguard/redis";
import { stubPdp } from "hopguard/testing";
import { createClient, createCluster } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { startHopWorkers, type HopWorker } from "../support/hop-workers";
import { redisBinary, startRedis, type RedisServer } from "../support/redis-server";

const binary = redisBinary() ?? "";
let server: RedisServer;
const cleanUps: (() => Promise<unknown>)[] = [];

const openState = (options: RedisStateOptions = {}): RedisState => {
  const where = options.client ? {} : { url: server.url };
  const state = redisState({ ...where, namespace: randomUUID(), ...options });
  cleanUps.push(() => state.close());
  return state;
};
const ownServer = async (...settings: readonly (readonly [string, string])[]): Promise<RedisServer> => {
  const own = await startRedis(binary, settings);
  cleanUps.push(() => own.stop());
  return own;
};

/** A guard whose PDP allows everything: what is denied is denied for the state's sake. */
function open(state: RedisState, options: Partial<GuardOptions> = {}) {
  const pdp = stubPdp({ rules: [() => true] });
  const audit = auditRecorder();
  const guard = createGuard({ pdp, audit, state, usage: {}, repeats: false, timeoutMs: 5000, ...options });
  return { pdp, audit, guard };
}
const sessionOf = (guard: Guard, id: string = randomUUID()): Promise<Session> =>
  guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" }, task: { id: "T" }, id });
const hop = { kind: "mcp_payments", action: "tools/list" };

async function codeOf(session: Session): Promise<string> {
  const decision = await session.check(hop);
  if (decision.effect === "deny") return decision.denial.code;
  decision.settle("done");
  return "allow";
}
/** Until it happens by itself. */
async function eventually(code: string, session: Session): Promise<void> {
  const deadline = Date.now() + 5000;
  while ((await codeOf(session)) !== code) {
    if (Date.now() > deadline) throw new Error(`no ${code} within five seconds`);
    await sleep(20);
  }
}

/** A client that notes the names of the commands. */
function noting(client: RedisClient): RedisClient & { readonly commands: string[] } {
  const commands: string[] = [];
  return {
    commands,
    sendCommand: (args) => {
      commands.push(args[0]);
      return client.sendCommand(args);
    },
  };
}
async function ownClient(url = server.url) {
  const client = createClient({ url, disableOfflineQueue: true });
  client.on("error", () => undefined);
  await client.connect();
  cleanUps.push(() => client.close());
  return client;
}

describe.skipIf(binary === "")("state in Redis", () => {
  beforeAll(async () => {
    server = await startRedis(binary);
  });
  afterEach(async () => {
    // The last that was opened goes first: a client before its server.
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  afterAll(() => server.stop());

  describe("for a hop", () => {
    it("takes two commands before it, and one when it is over", async () => {
      const client = noting(await ownClient());
      const { guard } = open(openState({ client }));
      const session = await sessionOf(guard);
      await codeOf(session);
      // The settlement of the first hop is off its path.
      await sleep(50);
      client.commands.length = 0;
      const decision = await session.check(hop);
      expect(client.commands).toEqual(["EVALSHA", "EVALSHA"]);
      if (decision.effect === "allow") decision.settle("done");
      await sleep(50);
      expect(client.commands).toEqual(["EVALSHA", "EVALSHA", "EVAL"]);
    });

    it("that is refused because of a revocation reads once, and the PDP is not asked", async () => {
      const client = noting(await ownClient());
      const { guard, pdp } = open(openState({ client }));
      const session = await sessionOf(guard);
      await guard.revoke({ agent: "bot" });
      client.commands.length = 0;
      expect(await codeOf(session)).toBe("revoked");
      expect(client.commands).toEqual(["EVALSHA"]);
      expect(pdp.queries).toEqual([]);
    });

    it("whose record took its time reads once more: a revocation that came meanwhile denies, on record", async () => {
      const records: AuditRecord[] = [];
      const audit = async (record: AuditRecord): Promise<void> => {
        records.push(record);
        await sleep(100);
      };
      const { guard } = open(openState(), { audit });
      const { guard: elsewhere } = open(openState({ namespace: "another" }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("allow");
      await elsewhere.revoke({ task: "T" });
      const code = codeOf(session);
      await expect.poll(() => records.length).toBe(2);
      await guard.revoke({ task: "T" });
      expect(await code).toBe("revoked");
      expect(records.map(({ effect }) => effect)).toEqual(["allow", "allow", "deny"]);
    });

    it.each(["by URL", "by a client of the user's"])(
      "knows what was done before it, though the server has forgotten the scripts: %s",
      async (how) => {
        const client = how === "by URL" ? undefined : await ownClient();
        const pdp = stubPdp({
          rules: [
            ({ actions, resource }) => {
              const { session } = resource.attr.context as unknown as HopStanding;
              return actions[0] === "tools/call/look_up" || session.calls["tools/call/look_up"] === 1;
            },
          ],
        });
        const { guard } = open(openState(client && { client }), { pdp });
        const session = await sessionOf(guard);
        await server.command("SCRIPT", "FLUSH");
        const lookedUp = await session.authorize({ ...hop, action: "tools/call/look_up" });
        lookedUp.settle("done");
        expect(await session.check({ ...hop, action: "tools/call/refund" })).toMatchObject({
          effect: "allow",
        });
      },
    );

    it("that is one name too many is denied, and takes the connection from nobody", async () => {
      const state = openState();
      const session = await sessionOf(open(state).guard);
      for (let index = 1; index <= 1000; index++)
        await session.check({ ...hop, action: `tools/call/${index}` });
      const connections = async (): Promise<number> => {
        const stats = String(await server.command("INFO", "stats"));
        return Number(/^total_connections_received:(\d+)/m.exec(stats)?.[1]);
      };
      const before = await connections();
      for (const action of ["tools/call/x", "tools/call/y"])
        expect(await session.check({ ...hop, action })).toMatchObject({
          denial: { code: "state_unavailable" },
        });
      expect(await codeOf(await sessionOf(open(state).guard))).toBe("allow");
      // The operator's own.
      expect(await connections()).toBe(before + 1);
    });

    it("sends its scripts again to a server that has forgotten them", async () => {
      const { guard } = open(openState());
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("allow");
      await server.command("SCRIPT", "FLUSH");
      expect(await codeOf(session)).toBe("allow");
    });
  });

  describe("is shared", () => {
    it("by every guard of its namespace, and by no other", async () => {
      const namespace = randomUUID();
      const [first, second, other] = [openState({ namespace }), openState({ namespace }), openState()].map(
        (state) => open(state),
      );
      if (!first || !second || !other) throw new Error("three were opened");
      const session = await sessionOf(first.guard, "S");
      await codeOf(session);
      await sleep(20);
      await codeOf(await sessionOf(second.guard, "S"));
      await codeOf(await sessionOf(other.guard, "S"));
      const contextOf = ({ pdp }: typeof first) =>
        pdp.queries[0]?.resource.attr.context as {
          session: { started_at: string; steps: number };
          usage: { task: { calls: number } };
        };
      expect(contextOf(second).session).toMatchObject({ steps: 2, attempts: { "tools/list": 2 } });
      expect(contextOf(second).session.started_at).toBe(contextOf(first).session.started_at);
      expect(contextOf(second).usage.task.calls).toBe(2);
      expect(contextOf(other).session.steps).toBe(1);
    });

    it("with all its keys in one slot of a cluster, and lets go of them in time", async () => {
      const namespace = "team-a:prod";
      const state = openState({ namespace, sessionTtlMs: 100_000 });
      const { guard } = open(state, { tasks: "registered" });
      await guard.registerTask("T", { expiresInMs: 50_000 });
      await guard.revoke({ principal: "nobody" });
      const session = await sessionOf(guard, "S");
      expect(await codeOf(session)).toBe("allow");
      await (await sessionOf(guard)).end();
      await sleep(50);
      const keys = (await server.command("KEYS", "{team-a:prod}:*")) as string[];
      const kinds = new Map<string, number>();
      for (const key of keys) {
        const ttl = Number(await server.command("PTTL", key));
        kinds.set(key.replace(/^\{team-a:prod\}:([\w-]+).*$/, "$1"), ttl);
      }
      // Revocations end when they say so: the key itself stays.
      expect([kinds.get("revoked"), kinds.get("revoked-until")]).toEqual([-1, -1]);
      expect(kinds.get("task")).toBeGreaterThan(45_000);
      expect(kinds.get("task")).toBeLessThanOrEqual(50_000);
      for (const kind of ["session", "attempts", "calls"]) {
        expect(kinds.get(kind)).toBeGreaterThan(95_000);
        expect(kinds.get(kind)).toBeLessThanOrEqual(100_000);
      }
      expect(keys.filter((key) => key.includes(":usage:"))).toHaveLength(6);
      expect(kinds.get("usage")).toBeGreaterThan(0);
    });

    it("in a cluster by the line that its documentation gives", async () => {
      const own = await ownServer(["cluster-enabled", "yes"], ["cluster-node-timeout", "500"]);
      await own.command("CLUSTER", "ADDSLOTS", ...Array.from({ length: 16_384 }, (_, slot) => String(slot)));
      while (!String(await own.command("CLUSTER", "INFO")).includes("cluster_state:ok")) await sleep(50);
      const cluster = createCluster({ rootNodes: [{ url: own.url }] });
      cluster.on("error", () => undefined);
      await cluster.connect();
      cleanUps.push(() => cluster.close());
      const client: RedisClient = {
        sendCommand: (args) => cluster.sendCommand("{hopguard}", false, args),
      };
      const { guard } = open(openState({ client, namespace: "hopguard" }), { tasks: "registered" });
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("revoked");
      await guard.registerTask("T");
      expect(await codeOf(session)).toBe("allow");
      await guard.revoke({ principal: "u-1" });
      expect(await codeOf(session)).toBe("revoked");
    });

    it("and keeps a task for as long as was said, by whatever clock", async () => {
      const namespace = randomUUID();
      const { guard } = open(openState({ namespace }));
      for (const off of [-3_600_000, 3_600_000]) {
        const now = Date.now() + off;
        vi.spyOn(Date, "now").mockReturnValue(now);
        await guard.registerTask("T", { expiresInMs: 50_000 }).finally(() => vi.restoreAllMocks());
        const ttl = Number(await server.command("PTTL", `{${namespace}}:task:["T"]`));
        expect(ttl).toBeGreaterThan(45_000);
        expect(ttl).toBeLessThanOrEqual(50_000);
      }
    });

    it("and keeps a sum for a minute after its window, for clocks that differ", async () => {
      const namespace = randomUUID();
      const counter = openState({ namespace }).session("s", new Date());
      const reserve = { calls: 1, input_tokens: 0, output_tokens: 0, reasoning_tokens: 0, cost_micros: 0 };
      const account = { scope: "principal", id: "p", window: "minute", index: 1 } as const;
      const accounts = [{ ...account, expiresAt: Date.now() - 5000 }];
      await counter.begin({ action: "a", authority: { targets: [] }, reserve, accounts });
      const { usage } = await counter.peek(accounts);
      expect(usage).toEqual([reserve]);
      const ttl = Number(await server.command("PTTL", `{${namespace}}:usage:["principal","p","minute",1]`));
      expect(ttl).toBeGreaterThan(55_000);
      expect(ttl).toBeLessThanOrEqual(60_000);
    });
  });

  describe("that was lost, or is not ours", () => {
    const account = { scope: "task", id: "t", window: "total", index: 0 } as const;
    const amounts = { calls: 1, input_tokens: 10, output_tokens: 0, reasoning_tokens: 0, cost_micros: 0 };
    const start = { action: "a", authority: { targets: [] }, reserve: amounts, accounts: [account] };

    it("is not made a credit by the correction of what was reserved before", async () => {
      const namespace = randomUUID();
      const counter = openState({ namespace }).session("s", new Date());
      await counter.begin(start);
      await server.command("DEL", `{${namespace}}:usage:["task","t","total",0]`);
      const correction = { ...amounts, calls: -1, input_tokens: -10 };
      await counter.settle({ action: "a", outcome: "denied", correction, accounts: [account] });
      const { usage } = await counter.peek([account]);
      expect(usage[0]).toMatchObject({ calls: 0, input_tokens: 0 });
    });

    it("denies: another's data under our names is not read as nothing", async () => {
      const namespace = randomUUID();
      const { guard, audit } = open(openState({ namespace }));
      const session = await sessionOf(guard);
      await server.command("SET", `{${namespace}}:revoked`, "?");
      expect(await codeOf(session)).toBe("state_unavailable");
      await server.command("DEL", `{${namespace}}:revoked`);
      for (const odd of ["?", "5", "{}", '{"text":"{}"}', '{"text":"?","till":"soon"}']) {
        await server.command("HSET", `{${namespace}}:revoked`, '["agent","bot"]', odd);
        expect(await codeOf(session)).toBe("state_unavailable");
      }
      expect(audit.records.at(-1)?.detail).toContain("script");
      await server.command("DEL", `{${namespace}}:revoked`);
      expect(await codeOf(session)).toBe("allow");
    });

    it.each([1e300, 0.5, NaN, Infinity])("counts no amount that is not exact: %d", async (input_tokens) => {
      const counter = openState().session("s", new Date());
      await expect(counter.begin({ ...start, reserve: { ...amounts, input_tokens } })).rejects.toThrow(
        RangeError,
      );
      expect((await counter.peek([account])).session.steps).toBe(0);
    });
  });

  describe("that might be evicted", () => {
    it("denies every hop, saying what to set, and is used as soon as that is set", async () => {
      const evicting = await ownServer(["maxmemory-policy", "allkeys-lru"]);
      const { guard, audit, pdp } = open(openState({ url: evicting.url }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("state_unavailable");
      expect(audit.records.at(-1)?.detail).toContain("CONFIG SET maxmemory-policy noeviction");
      await expect(guard.revoke({ agent: "bot" })).rejects.toThrow(ConfigurationError);
      expect(await codeOf(session)).toBe("state_unavailable");
      expect(pdp.queries).toEqual([]);
      await evicting.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
      expect(await codeOf(session)).toBe("allow");
    });

    it("is found with a client of the user's, too, and taken on trust only if that is said", async () => {
      const evicting = await ownServer(["maxmemory-policy", "volatile-ttl"]);
      const client = await ownClient(evicting.url);
      expect(await codeOf(await sessionOf(open(openState({ client })).guard))).toBe("state_unavailable");
      const trusting = openState({ client, assumeNoEviction: true });
      expect(await codeOf(await sessionOf(open(trusting).guard))).toBe("allow");
    });

    it("is not found out by an account that may not ask: that denies, too", async () => {
      await server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info", "-config");
      const url = server.url.replace("redis://", "redis://app:secret@");
      const { guard, audit } = open(openState({ url }));
      expect(await codeOf(await sessionOf(guard))).toBe("state_unavailable");
      expect(audit.records.at(-1)?.detail).toContain("assumeNoEviction: true");
      const trusting = openState({ url, assumeNoEviction: true });
      expect(await codeOf(await sessionOf(open(trusting).guard))).toBe("allow");
    });
  });

  describe("that is away", () => {
    it("denies at once, works again by itself, and has forgotten nothing that it had acknowledged", async () => {
      const own = await ownServer();
      const { guard, pdp, audit } = open(openState({ url: own.url }));
      const [session, ended] = [await sessionOf(guard), await sessionOf(guard)];
      expect(await codeOf(session)).toBe("allow");
      await ended.end();
      await own.kill();

      for (const asked of [pdp.queries.length, pdp.queries.length]) {
        expect(await codeOf(session)).toBe("state_unavailable");
        expect(pdp.queries).toHaveLength(asked);
      }
      // Nobody waited for a deadline: nothing is queued for a server that is not there.
      expect(audit.records.at(-1)?.detail).toContain("ECONNREFUSED");
      await expect(guard.revoke({ agent: "bot" })).rejects.toThrow();

      await own.start();
      expect(await codeOf(session)).toBe("allow");
      expect(await codeOf(ended)).toBe("revoked");
      const context = pdp.queries.at(-1)?.resource.attr.context as { session: { steps: number } };
      expect(context.session.steps).toBe(2);
    });

    it("works again by a client of the user's, which reconnects", async () => {
      const own = await ownServer();
      const { guard } = open(openState({ client: await ownClient(own.url) }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("allow");
      await own.kill();
      expect(await codeOf(session)).toBe("state_unavailable");
      await own.start();
      await eventually("allow", session);
    });

    it("from the beginning denies, until it is there", async () => {
      const own = await ownServer();
      await own.kill();
      const { guard } = open(openState({ url: own.url }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("state_unavailable");
      await own.start();
      expect(await codeOf(session)).toBe("allow");
    });

    it("while its connections stay open is given up in time, and used again when it goes on", async () => {
      const own = await ownServer();
      const { guard } = open(openState({ url: own.url, timeoutMs: 1000 }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("allow");
      own.signal("SIGSTOP");
      expect(await codeOf(session)).toBe("state_unavailable");
      await expect(guard.revoke({ task: "other" })).rejects.toThrow("1000 ms");
      own.signal("SIGCONT");
      await eventually("allow", session);
    });

    it("once it was closed denies, and opens no connection", async () => {
      const state = openState();
      const session = await sessionOf(open(state).guard);
      expect(await codeOf(session)).toBe("allow");
      await state.close();
      await state.close();
      expect(await codeOf(session)).toBe("state_unavailable");
    });

    it("because its password is wrong denies, and says so on record", async () => {
      const url = server.url.replace("redis://", "redis://nobody:wrong@");
      const { guard, audit } = open(openState({ url }));
      expect(await codeOf(await sessionOf(guard))).toBe("state_unavailable");
      expect(audit.records.at(-1)?.detail).toContain("WRONGPASS");
    });
  });

  describe("with replicas", () => {
    it("revokes when enough of them have it, and says so when they do not", async () => {
      const lonely = open(openState({ waitReplicas: 1, timeoutMs: 1000 })).guard;
      await expect(lonely.revoke({ task: "T" })).rejects.toThrow("only 0 of 1 replicas");
      expect(await codeOf(await sessionOf(lonely))).toBe("revoked");
      await expect(lonely.endTask("T")).rejects.toThrow("only 0 of 1 replicas");

      const primary = await ownServer(["repl-diskless-sync-delay", "0"]);
      const replica = await ownServer(["replicaof", `127.0.0.1 ${new URL(primary.url).port}`]);
      const { guard } = open(openState({ url: primary.url, waitReplicas: 1, timeoutMs: 10_000 }));
      await guard.revoke({ task: "T" });
      expect(await replica.command("KEYS", "*:revoked")).toHaveLength(1);
    });

    it("looks for another primary when its own has become a replica", async () => {
      const [first, second] = [await ownServer(), await ownServer()];
      const { guard } = open(openState({ url: first.url }));
      const session = await sessionOf(guard);
      expect(await codeOf(session)).toBe("allow");
      await first.command("REPLICAOF", "127.0.0.1", new URL(second.url).port);
      expect(await codeOf(session)).toBe("state_unavailable");
      await first.command("REPLICAOF", "NO", "ONE");
      expect(await codeOf(session)).toBe("allow");
    });
  });

  describe("of several processes", () => {
    let workers: readonly HopWorker[] = [];
    beforeAll(async () => {
      workers = await startHopWorkers(4, { redis: server.url, namespace: "processes" });
    });
    afterAll(() => Promise.all(workers.map((worker) => worker.close())));

    it("revokes for all: the very next hop of another is denied", async () => {
      const [one, other] = workers;
      const order = { task: "R", limit: 1e9, count: 1, atOnce: 1, tokens: 1, used: "all" } as const;
      expect(await other?.hops(order)).toMatchObject([{ code: "allow" }]);
      await one?.revoke("R");
      for (const worker of workers) expect(await worker.hops(order)).toMatchObject([{ code: "revoked" }]);
    });

    it("never lets them spend together more than a limit in policy", async () => {
      const order = { task: "B", limit: 1000, count: 60, atOnce: 20, tokens: 7, used: "all" } as const;
      const results = (await Promise.all(workers.map((worker) => worker.hops(order)))).flat();
      const spent = results.reduce((sum, { tokens }) => sum + tokens, 0);
      expect(new Set(results.map(({ code }) => code))).toEqual(new Set(["allow", "policy_denied"]));
      expect(spent).toBeLessThanOrEqual(1000);
      // What was denied has been given back: alone, hops fit in again up to the limit.
      const [alone] = workers;
      const rest = await alone?.hops({ ...order, count: Math.floor((1000 - spent) / 7) + 1, atOnce: 1 });
      const codes = rest?.map(({ code }) => code) ?? [];
      expect(codes.slice(0, -1).every((code) => code === "allow")).toBe(true);
      expect(codes.at(-1)).toBe("policy_denied");
    });

    it("never lets them spend more than that when what was used is settled, either", async () => {
      const order = { task: "P", limit: 2000, count: 100, atOnce: 10, tokens: 20, used: "part" } as const;
      const results = (await Promise.all(workers.map((worker) => worker.hops(order)))).flat();
      const spent = results.reduce((sum, { tokens }) => sum + tokens, 0);
      expect(spent).toBeLessThanOrEqual(2000);
      expect(results.filter(({ code }) => code === "allow").length).toBeGreaterThan(2000 / 20);
    });
  });
});

describe("the options of state in Redis", () => {
  it.each<[object, RegExp]>([
    [{}, /either `url` or `client`/],
    [{ url: "redis://x", client: { sendCommand: () => undefined } }, /either `url` or `client`/],
    [{ url: "http://x" }, /redisState\.url: expected redis:/],
    [{ url: "redis://localhost:99999" }, /redisState\.url: cannot be read/],
    [{ url: "redis://localhost:6379/main" }, /redisState\.url: cannot be read/],
    [{ url: "redis://:pa/ss@localhost:6379" }, /redisState\.url: cannot be read/],
    [{ url: "redis://:100%@localhost:6379" }, /redisState\.url: cannot be read/],
    [{ client: {} }, /redisState\.client: expected an object with sendCommand\(\)/],
    [{ url: "redis://x", namespace: "a}b" }, /redisState\.namespace/],
    [{ url: "redis://x", namespace: "" }, /redisState\.namespace/],
    [{ url: "redis://x", sessionTtlMs: 0 }, /redisState\.sessionTtlMs/],
    [{ url: "redis://x", timeoutMs: 1e9 }, /redisState\.timeoutMs/],
    [{ url: "redis://x", waitReplicas: -1 }, /redisState\.waitReplicas/],
    [{ url: "redis://x", evict: true }, /evict/],
  ])("%o is refused", (options, message) => {
    expect(() => redisState(options)).toThrow(ConfigurationError);
    expect(() => redisState(options)).toThrow(message);
  });

  it.each([
    "redis://localhost",
    "redis://[::1]:6379/",
    "rediss://user:p%2Fss@redis.example:6380/15",
    "unix:///run/redis.sock",
    "unix://user:secret@/run/redis.sock?db=2",
  ])("take %s", (url) => {
    expect(() => redisState({ url })).not.toThrow();
  });
});
