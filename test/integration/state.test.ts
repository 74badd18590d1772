import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  memoryState,
  type HopStart,
  type Revocation,
  type RevocationTarget,
  type StateStore,
  type Usage,
  type UsageAccount,
} from "hopguard";
import { redisState } from "hopguard/redis";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisBinary, startRedis, type RedisServer } from "../support/redis-server";

const binary = redisBinary();
let server: RedisServer;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  if (binary === undefined) return;
  server = await startRedis(binary);
  client = createClient({ url: server.url });
  await client.connect();
});
afterAll(async () => {
  if (binary === undefined) return;
  await client.close();
  await server.stop();
});

const opened: { close(): Promise<void> }[] = [];
const remember = <T extends { close(): Promise<void> }>(state: T): T => {
  opened.push(state);
  return state;
};
afterAll(() => Promise.all(opened.map((state) => state.close())));

const stores: readonly { name: string; here: boolean; open: () => StateStore }[] = [
  { name: "in memory", here: true, open: memoryState },
  {
    name: "in Redis, by URL",
    here: binary !== undefined,
    open: () => remember(redisState({ url: server.url, namespace: randomUUID() })),
  },
  {
    name: "in Redis, by a client of the user's",
    here: binary !== undefined,
    open: () => remember(redisState({ client, namespace: randomUUID() })),
  },
];

const usage = (input_tokens: number, calls = 1): Usage => ({
  calls,
  input_tokens,
  output_tokens: 2 * input_tokens,
  reasoning_tokens: input_tokens,
  cost_micros: 7 * input_tokens,
});
const nothing = usage(0, 0);
const account = (id: string, more: Partial<UsageAccount> = {}): UsageAccount => ({
  scope: "task",
  id,
  window: "total",
  index: 0,
  ...more,
});
const start = (more: Partial<HopStart> = {}): HopStart => ({
  action: "completion",
  authority: {
    targets: [
      { session: "s" },
      { agent: "a" },
      { principal: "p" },
      { task: "t" },
      { delegation: "d" },
      { login: "l" },
    ],
  },
  reserve: nothing,
  accounts: [],
  ...more,
});
const revocation = (target: RevocationTarget, at = new Date()) => ({ target, at: at.toISOString() });
const inMs = (ms: number): Date => new Date(Date.now() + ms);

describe.each(stores)("state $name", ({ here, open }) => {
  const test = it.skipIf(!here);

  describe("authority that was withdrawn", () => {
    test.each<RevocationTarget>([
      { session: "s" },
      { agent: "a" },
      { principal: "p" },
      { task: "t" },
      { delegation: "d" },
      { login: "l" },
    ])("from %o ends it, and no other", async (target) => {
      const state = open();
      await state.revocations.revoke({ ...revocation(target), reason: "odd", author: "ops" });
      const found = await state.revocations.find(start().authority);
      expect(found).toMatchObject({ target, reason: "odd", author: "ops" });
      const [kind, id] = Object.entries(target as Record<string, string>)[0] ?? ["", ""];
      const kinds = ["session", "agent", "principal", "task", "delegation", "login"];
      const others = kinds.map((other): RevocationTarget =>
        other === kind ? { [kind]: `${id}2` } : { [other]: id },
      );
      expect(await state.revocations.find({ targets: others })).toBeUndefined();
    });

    test("ends what was issued at no time, too", async () => {
      const state = open();
      const target = { principal: "p" };
      await state.revocations.revoke(revocation(target));
      for (const issuedAt of [NaN, Infinity])
        expect(await state.revocations.find({ targets: [target], issuedAt })).toMatchObject({ target });
    });

    test("is found where the hop is counted, which then is not", async () => {
      const state = open();
      const counter = state.session("s", new Date());
      await state.revocations.revoke(revocation({ task: "t" }));
      const accounts = [account("t")];
      const refused = await counter.begin(start({ accounts, reserve: usage(5) }));
      expect(refused.revocation?.target).toEqual({ task: "t" });
      await state.revocations.restore({ task: "t" });
      expect(await counter.peek(accounts)).toMatchObject({ session: { steps: 0 }, usage: [nothing] });
      expect((await counter.begin(start({ accounts }))).revocation).toBeUndefined();
    });

    test("stands until it ends by itself, if it says when", async () => {
      const state = open();
      const target = { session: "s" };
      await state.revocations.revoke({ ...revocation(target), expires_at: inMs(-1000).toISOString() });
      expect(await state.revocations.find({ targets: [target] })).toBeUndefined();
      expect(await state.revocations.list()).toEqual([]);
      await state.revocations.revoke({ ...revocation(target), expires_at: inMs(150).toISOString() });
      expect(await state.revocations.find({ targets: [target] })).toMatchObject({ target });
      expect(await state.revocations.list()).toHaveLength(1);
      await sleep(200);
      expect(await state.revocations.find({ targets: [target] })).toBeUndefined();
      expect(await state.revocations.list()).toEqual([]);
    });

    test("reaches as far as any of those that were pronounced: only restoring takes something back", async () => {
      const state = open();
      const target = { agent: "a" };
      const ending = { ...revocation(target), expires_at: inMs(50).toISOString() };
      const forGood = revocation(target);
      await state.revocations.revoke(ending);
      await state.revocations.revoke(forGood);
      await state.revocations.revoke({ ...ending, reason: "a shorter one" });
      await sleep(80);
      expect(await state.revocations.find({ targets: [target] })).toEqual({
        ...forGood,
        at: ending.at,
        reason: "a shorter one",
      });
      await state.revocations.restore(target);
      const longer = { ...revocation(target), expires_at: inMs(60_000).toISOString() };
      await state.revocations.revoke(longer);
      await state.revocations.revoke({ ...longer, expires_at: inMs(50).toISOString() });
      await sleep(80);
      expect(await state.revocations.list()).toEqual([longer]);
    });

    describe("as far as it was issued before an instant", () => {
      const target = { login: '["https://id.example","sub","ada"]' };
      const noon = Date.parse("2026-11-21T12:00:00.000Z");
      const logout = (issuedBefore: number, more: Partial<Revocation> = {}): Revocation => ({
        ...revocation(target),
        issued_before: new Date(issuedBefore).toISOString(),
        ...more,
      });

      test("leaves what was issued then or later, and ends what is of unknown age", async () => {
        const state = open();
        const given = logout(noon, { reason: "logged out" });
        await state.revocations.revoke(given);
        const find = async (issuedAt?: number) =>
          state.revocations.find({ targets: [target], ...(issuedAt !== undefined && { issuedAt }) });
        expect(await find(noon - 1)).toEqual(given);
        expect(await find(0)).toEqual(given);
        expect(await find()).toEqual(given);
        expect(await find(noon)).toBeUndefined();
        expect(await find(noon + 1)).toBeUndefined();
        const counter = state.session("s", new Date());
        const begin = async (issuedAt: number) =>
          counter.begin(start({ authority: { targets: [target], issuedAt } }));
        expect((await begin(noon - 1)).revocation).toEqual(given);
        expect((await begin(noon)).revocation).toBeUndefined();
        expect((await counter.peek([])).session.steps).toBe(1);
      });

      test("moves on with a later one, and never back", async () => {
        const { revocations } = open();
        await revocations.revoke(logout(noon, { expires_at: inMs(60_000).toISOString() }));
        const later = logout(noon + 1000, { expires_at: inMs(70_000).toISOString() });
        await revocations.revoke(later);
        await revocations.revoke(logout(noon - 1000, { at: later.at, expires_at: inMs(50).toISOString() }));
        expect(await revocations.list()).toEqual([later]);
        expect(await revocations.find({ targets: [target], issuedAt: noon + 999 })).toEqual(later);
        expect(await revocations.find({ targets: [target], issuedAt: noon + 1000 })).toBeUndefined();
      });

      test.each(["before", "after"])("takes nothing from one of everything that came %s it", async (when) => {
        const { revocations } = open();
        const all = { ...revocation(target, inMs(-1000)), reason: "stolen" };
        const some = logout(noon, { expires_at: inMs(1000).toISOString() });
        for (const one of when === "before" ? [all, some] : [some, all]) await revocations.revoke(one);
        expect(await revocations.list()).toEqual([some, all]);
        expect(await revocations.find({ targets: [target], issuedAt: noon + 1 })).toEqual(all);
        await sleep(1100);
        expect(await revocations.list()).toEqual([all]);
        expect(await revocations.find({ targets: [target], issuedAt: noon - 1 })).toEqual(all);
      });

      test("is taken back with its target, and ends no other", async () => {
        const { revocations } = open();
        await revocations.revoke(logout(noon));
        await revocations.revoke(revocation(target));
        const others = [{ login: "issued_before" }, { principal: target.login }, { login: "" }];
        expect(await revocations.find({ targets: others, issuedAt: 0 })).toBeUndefined();
        await revocations.restore(target);
        expect(await revocations.find({ targets: [target], issuedAt: 0 })).toBeUndefined();
        expect(await revocations.list()).toEqual([]);
      });

      test("refuses what is no instant: nothing would be revoked", async () => {
        const { revocations } = open();
        const revoke = async (one: Revocation) => revocations.revoke(one);
        await expect(revoke({ ...revocation(target), issued_before: "noon" })).rejects.toThrow(RangeError);
        await expect(revoke({ ...revocation(target), expires_at: "" })).rejects.toThrow(RangeError);
        expect(await revocations.list()).toEqual([]);
      });

      test("is kept to the millisecond however far away it is", async () => {
        const { revocations } = open();
        const far = logout(Date.parse("9999-12-31T23:59:59.999Z"), {
          expires_at: "9999-12-31T23:59:59.999Z",
        });
        await revocations.revoke(far);
        expect(await revocations.list()).toEqual([far]);
      });
    });

    test("is listed as it was given, the newest first, until it is restored", async () => {
      const { revocations } = open();
      const given = [
        { ...revocation({ task: "old" }, inMs(-2000)), reason: "r", author: "a" },
        revocation({ agent: "new" }, inMs(-1000)),
        { ...revocation({ session: "middle" }, inMs(-1500)), expires_at: inMs(60_000).toISOString() },
      ] as const;
      for (const one of given) await revocations.revoke(one);
      expect(await revocations.list()).toEqual([given[1], given[2], given[0]]);
      await revocations.restore({ agent: "new" });
      await revocations.restore({ session: "middle" });
      await revocations.restore({ principal: "never revoked" });
      expect(await revocations.list()).toEqual([given[0]]);
    });
  });

  describe("a task that must be registered", () => {
    const authority = { targets: [{ session: "s" }, { task: "t" }], task: "t" };
    const dead = { target: { task: "t" }, reason: "the task is not registered" };

    test("is alive from its registration to its end", async () => {
      const state = open();
      const counter = state.session("s", new Date());
      expect(await state.revocations.find(authority)).toMatchObject(dead);
      expect((await counter.begin(start({ authority }))).revocation).toMatchObject(dead);
      await state.tasks.register("t");
      expect(await state.revocations.find(authority)).toBeUndefined();
      const begun = await counter.begin(start({ authority }));
      expect(begun.revocation).toBeUndefined();
      expect(begun.session.steps).toBe(1);
      await state.tasks.end("t");
      expect(await state.revocations.find(authority)).toMatchObject(dead);
      expect((await counter.begin(start({ authority }))).revocation).toMatchObject(dead);
    });

    test("is alive for as long as it was registered for, and not by a time that has passed", async () => {
      const state = open();
      await state.tasks.register("t", Date.now() + 100);
      expect(await state.revocations.find(authority)).toBeUndefined();
      await sleep(150);
      expect(await state.revocations.find(authority)).toMatchObject(dead);
      await state.tasks.register("t", Date.now() - 1000);
      expect(await state.revocations.find(authority)).toMatchObject(dead);
      await state.tasks.register("t", Date.now() + 50);
      await state.tasks.register("t");
      await sleep(80);
      expect(await state.revocations.find(authority)).toBeUndefined();
    });

    test("is revoked like any other, and that is said first", async () => {
      const state = open();
      await state.revocations.revoke({ ...revocation({ task: "t" }), reason: "pulled" });
      expect(await state.revocations.find(authority)).toMatchObject({ reason: "pulled" });
    });
  });

  describe("a session", () => {
    test("counts attempts when they begin and calls when they are done", async () => {
      const startedAt = new Date("2026-11-21T10:00:00.123Z");
      const counter = open().session("s", startedAt);
      const empty = { id: "s", started_at: startedAt.toISOString(), steps: 0, denials: 0 };
      expect((await counter.peek([])).session).toEqual({ ...empty, attempts: {}, calls: {} });
      for (const action of ["a", "b", "a", "a"]) await counter.begin(start({ action }));
      await counter.settle({ action: "a", outcome: "done", correction: nothing, accounts: [] });
      await counter.settle({ action: "a", outcome: "failed", correction: nothing, accounts: [] });
      await counter.settle({ action: "b", outcome: "denied", correction: nothing, accounts: [] });
      const counted = { ...empty, steps: 4, attempts: { a: 3, b: 1 }, calls: { a: 1 }, denials: 1 };
      expect((await counter.peek([])).session).toEqual(counted);
      expect((await counter.begin(start({ action: "b" }))).session).toEqual({
        ...counted,
        steps: 5,
        attempts: { a: 3, b: 2 },
      });
    });

    test("gives each of 200 hops that begin at once a count of its own", async () => {
      const counter = open().session("s", new Date());
      const accounts = [account("t"), account("p", { scope: "principal" })];
      const begun = await Promise.all(
        Array.from({ length: 200 }, async (_, index) =>
          counter.begin(start({ action: `tools/call/${index % 7}`, reserve: usage(3), accounts })),
        ),
      );
      const inOrder = begun.toSorted((a, b) => a.session.steps - b.session.steps);
      inOrder.forEach(({ session, usage: sums }, index) => {
        const steps = index + 1;
        expect(session.steps).toBe(steps);
        expect(Object.values(session.attempts).reduce((sum, count) => sum + count)).toBe(steps);
        expect(sums).toEqual([usage(3 * steps, steps), usage(3 * steps, steps)]);
      });
      await Promise.all(
        begun.map(async (_, index) =>
          counter.settle({
            action: "a",
            outcome: index % 2 === 0 ? "done" : "denied",
            correction: usage(-3, -1),
            accounts,
          }),
        ),
      );
      const { session, usage: sums } = await counter.peek(accounts);
      expect(session).toMatchObject({ steps: 200, denials: 100, calls: { a: 100 } });
      expect(sums).toEqual([nothing, nothing]);
    });

    test("that is taken up again while it goes on goes on counting", async () => {
      const state = open();
      const startedAt = new Date("2026-11-21T10:00:00.000Z");
      const first = state.session("s", startedAt);
      await first.begin(start({ action: "a" }));
      const again = state.session("s", new Date("2026-11-21T11:00:00.000Z"));
      const { session } = await again.begin(start({ action: "b" }));
      expect(session).toMatchObject({
        steps: 2,
        attempts: { a: 1, b: 1 },
        started_at: startedAt.toISOString(),
      });
      await again.settle({ action: "a", outcome: "denied", correction: nothing, accounts: [] });
      expect((await first.peek([])).session).toMatchObject({ steps: 2, denials: 1 });
      expect((await state.session("other", startedAt).peek([])).session.steps).toBe(0);
    });

    test("that makes names up fills no memory, and forgets no attempt", async () => {
      const counter = open().session("s", new Date());
      const begin = async (action: string) => counter.begin(start({ action }));
      for (let index = 0; index < 1000; index++) await begin(`a${index}`);
      await expect(begin("one more")).rejects.toThrow("1000 different actions");
      const { session } = await begin("a3");
      expect(session.steps).toBe(1001);
      expect(session.attempts).toMatchObject({ a3: 2, a999: 1 });
      expect(session.attempts).not.toHaveProperty("one more");
    });
  });

  describe("usage", () => {
    test("is counted in each account by itself", async () => {
      const counter = open().session("s", new Date());
      const accounts = [
        account("x"),
        account("y"),
        account("x", { scope: "principal" }),
        account("x", { window: "hour", index: 7, expiresAt: Date.now() + 60_000 }),
        account("x", { window: "hour", index: 8, expiresAt: Date.now() + 60_000 }),
        account("x", { window: "day", index: 7, expiresAt: Date.now() + 60_000 }),
      ];
      for (const [index, one] of accounts.entries()) {
        const { usage: sums } = await counter.begin(start({ reserve: usage(index + 1), accounts: [one] }));
        expect(sums).toEqual([usage(index + 1)]);
      }
      const { usage: sums } = await counter.peek([...accounts].reverse());
      expect(sums).toEqual([6, 5, 4, 3, 2, 1].map((tokens) => usage(tokens)));
    });

    test("is corrected down and up", async () => {
      const counter = open().session("s", new Date());
      const accounts = [account("t")];
      const settle = (correction: Usage) =>
        counter.settle({ action: "a", outcome: "done", correction, accounts });
      await counter.begin(start({ reserve: usage(1000), accounts }));
      await settle(usage(-900, 0));
      expect((await counter.peek(accounts)).usage).toEqual([usage(100)]);
      await settle(usage(50, 0));
      expect((await counter.peek(accounts)).usage).toEqual([usage(150)]);
    });

    test("is exact far beyond what anybody can pay", async () => {
      const counter = open().session("s", new Date());
      const accounts = [account("t")];
      const large = { ...nothing, cost_micros: 2 ** 52 };
      await counter.begin(start({ reserve: large, accounts }));
      const { usage: sums } = await counter.begin(
        start({ reserve: { ...nothing, cost_micros: 1 }, accounts }),
      );
      expect(sums[0]?.cost_micros).toBe(2 ** 52 + 1);
    });
  });

  describe("ids", () => {
    const odd = [
      ...Array.from("{}:*?[]\"'\\/, "),
      "{}",
      "{hopguard}",
      'x","y',
      '["session","x"]',
      "x:y",
      "x",
      "y",
      "__proto__",
      "constructor",
      "é",
      "e\u0301",
      "🙂",
      "\u0000",
      "\ud800",
      "\ud801",
      "x".repeat(5000),
    ];

    test("of whatever characters are never taken for another's", async () => {
      const state = open();
      for (const id of odd) {
        const others = odd.filter((other) => other !== id);
        await state.revocations.revoke(revocation({ principal: id }));
        await state.tasks.register(id);
        const targets = (ids: readonly string[]) => ids.map((principal) => ({ principal }));
        expect(await state.revocations.find({ targets: targets([id]) })).toMatchObject({
          target: { principal: id },
        });
        expect(await state.revocations.find({ targets: targets(others) })).toBeUndefined();
        expect(await state.revocations.find({ targets: [], task: id })).toBeUndefined();
        expect(await state.revocations.find({ targets: [], task: others[0] ?? "" })).toBeDefined();
        await state.revocations.restore({ principal: id });
        await state.tasks.end(id);
      }
    });

    test("name sessions, actions and accounts of their own", async () => {
      const state = open();
      const counters = odd.map((id) => state.session(id, new Date()));
      for (const [index, counter] of counters.entries()) {
        const accounts = [account(odd[index] ?? "")];
        await counter.begin(start({ action: "__proto__", reserve: usage(index + 1), accounts }));
        await counter.settle({ action: "constructor", outcome: "done", correction: nothing, accounts });
      }
      for (const [index, counter] of counters.entries()) {
        const { session, usage: sums } = await counter.peek([account(odd[index] ?? "")]);
        expect(session).toMatchObject({ id: odd[index], steps: 1 });
        expect(Object.entries(session.attempts)).toEqual([["__proto__", 1]]);
        expect(Object.entries(session.calls)).toEqual([["constructor", 1]]);
        expect(sums).toEqual([usage(index + 1)]);
      }
    });

    test("of actions keep every character that an action may have", async () => {
      const counter = open().session("s", new Date());
      const action = "tools/call/a-b_c.D/e:f@g";
      expect((await counter.begin(start({ action }))).session.attempts).toEqual({ [action]: 1 });
    });
  });
});
