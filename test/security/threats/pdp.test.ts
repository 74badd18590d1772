import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Session } from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import type { LocalPdp } from "hopguard/pdp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  answerTo,
  badPdp,
  reply,
  type BadPdp,
  type Misbehaviour,
  type WireAnswer,
  type WireRequest,
  type WireResult,
} from "../../support/bad-pdp";
import { startPdpWith } from "../../support/policies";
import { testPdps } from "../../support/test-pdp";
import {
  denialIn,
  expectNothingSent,
  modelDoors,
  onEveryPdp,
  openStage,
  threatPolicies,
  toolDoors,
  type Stage,
} from "../../support/threats";

/** Milliseconds that a PDP has in here. */
const TIMEOUT_MS = 1000;

/** More than any answer of the PDP. */
const PADDING = "p".repeat(8_400_000);

/** What an agent does: each adapter's call that the policy allows. */
type Call = () => Promise<unknown>;

/** Opens every adapter with a session of its own. */
async function openAll(
  stage: Stage,
  sessionOf: () => Promise<Session>,
): Promise<readonly (readonly [string, Call])[]> {
  const tools = await Promise.all(
    toolDoors.map(async ({ name, open }) => {
      const call = await open(stage, await sessionOf());
      return [name, () => call("refund", { amount_cents: 4000 })] as const;
    }),
  );
  const models = await Promise.all(
    modelDoors.map(async ({ name, open, path, body, allowed }) => {
      const client = open(stage, await sessionOf(), { maxRetries: 0 });
      return [name, async () => client.post(path, { body: body(allowed) })] as const;
    }),
  );
  return [...tools, ...models];
}

/** Asserts that every adapter denies, all of them within the deadline, with the same code and nothing sent. */
async function expectAllDenied(
  stage: Stage,
  calls: readonly (readonly [string, Call])[],
  code: string | RegExp,
): Promise<void> {
  stage.reset();
  const started = performance.now();
  const denials = await Promise.all(
    calls.map(async ([name, call]) => [name, (await denialIn(call())).code] as const),
  );
  expect(performance.now() - started).toBeLessThan(TIMEOUT_MS + 5000);
  for (const [name, found] of denials) expect(found, name).toMatch(code);
  expectNothingSent(stage);
}

/** Stops the process; a busy machine takes a moment to stop all of its threads. */
async function stop({ pid }: LocalPdp): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await delay(50);
}

async function expectAllSent(stage: Stage, calls: readonly (readonly [string, Call])[]): Promise<void> {
  stage.reset();
  await Promise.all(calls.map(([, call]) => call()));
  expect(stage.upstream()).toHaveLength(calls.length);
}

onEveryPdp("a PDP in trouble", (on) => {
  let stage: Stage;
  let server: LocalPdp;
  let pdp: CerbosPdp;

  beforeAll(async () => {
    stage = await openStage(on);
  });
  afterAll(() => stage.close());
  beforeEach(async () => {
    server = await startPdpWith(threatPolicies, { on });
    pdp = cerbos(server.url, { timeoutMs: TIMEOUT_MS });
  });
  afterEach(async () => {
    pdp.close();
    await server.stop();
  });
  const session = () => stage.session("clerk", { pdp, guard: { repeats: false } });

  it("that is stopped denies every adapter within the deadline, and works again by itself when it goes on", async () => {
    const calls = await openAll(stage, session);
    // The first call of each opens its connection and has the canary denied.
    await expectAllSent(stage, calls);
    for (let round = 0; round < 2; round++) {
      await stop(server);
      await expectAllDenied(stage, calls, "pdp_unavailable");
      process.kill(server.pid, "SIGCONT");
      await expectAllSent(stage, calls);
    }
  });

  it("that is stopped before the first check denies every adapter", async () => {
    await stop(server);
    const calls = modelDoors.map(
      ({ name, open, path, body, allowed }) =>
        [
          name,
          async () => {
            const client = open(stage, await session(), { maxRetries: 0 });
            return client.post(path, { body: body(allowed) });
          },
        ] as const,
    );
    await expectAllDenied(stage, calls, "pdp_unavailable");
    process.kill(server.pid, "SIGCONT");
    await expectAllSent(stage, calls);
  });

  it("that is killed in the middle of a request denies every adapter, and works again by itself at the same place", async () => {
    const calls = await openAll(stage, session);
    await expectAllSent(stage, calls);
    await stop(server);
    const underWay = expectAllDenied(stage, calls, "pdp_unavailable");
    await delay(50);
    process.kill(server.pid, "SIGKILL");
    await underWay;
    await expectAllDenied(stage, calls, "pdp_unavailable");
    await server.stop();
    server = await startPdpWith(threatPolicies, { on, port: Number(new URL(server.url).port) });
    await expectAllSent(stage, calls);
  });

  it("that comes back with other policies is believed from then on", async () => {
    const calls = await openAll(stage, session);
    await expectAllSent(stage, calls);
    await server.stop();
    const closed = threatPolicies.map(({ kind }) => ({
      kind,
      rules: [{ actions: ["*"], effect: "EFFECT_DENY" as const, roles: ["*"] }],
    }));
    server = await startPdpWith(closed, { on, port: Number(new URL(server.url).port) });
    await expectAllDenied(stage, calls, "policy_denied");
  });

  it("that allows what no policy can allow is found out by the canary, at first and when it comes back", async () => {
    const canary = {
      kind: "hopguard_canary",
      rules: [{ actions: ["*"], effect: "EFFECT_ALLOW" as const, roles: ["*"] }],
    };
    const calls = await openAll(stage, session);
    await expectAllSent(stage, calls);
    await server.stop();
    await expectAllDenied(stage, calls, "pdp_unavailable");
    const port = Number(new URL(server.url).port);
    server = await startPdpWith([...threatPolicies, canary], { on, port });
    const fresh = cerbos(server.url, { timeoutMs: TIMEOUT_MS });
    const client = modelDoors[0]?.open(stage, await stage.session("clerk", { pdp: fresh }), {
      maxRetries: 0,
    });
    const { path = "", body } = modelDoors[0] ?? {};
    expect(
      (await denialIn(client?.post(path, { body: body?.("gpt-4o-mini") }) ?? Promise.resolve())).code,
    ).toBe("pdp_invalid_response");
    fresh.close();
    await expectAllDenied(stage, calls, "pdp_invalid_response");
  });
});

describe("what is no PDP", () => {
  let stage: Stage;
  let bad: BadPdp;
  let calls: readonly (readonly [string, Call])[];
  const pdps: CerbosPdp[] = [];

  const lies: readonly [string, Misbehaviour, RegExp][] = [
    ["no results", (response, request) => reply(response, { ...answerTo(request), results: [] }), /invalid/],
    [
      "no actions",
      (response, request) =>
        reply(
          response,
          spoilt(request, () => ({ actions: {} })),
        ),
      /invalid/,
    ],
    [
      "another action",
      (response, request) =>
        reply(
          response,
          spoilt(request, () => ({ actions: { "*": "EFFECT_ALLOW" } })),
        ),
      /invalid/,
    ],
    [
      "an action more",
      (response, request) =>
        reply(
          response,
          spoilt(request, ({ actions }) => ({ actions: { ...actions, more: "EFFECT_ALLOW" } })),
        ),
      /invalid/,
    ],
    ["an effect in lower case", effect("effect_allow"), /invalid/],
    ["an effect with a space", effect("EFFECT_ALLOW "), /invalid/],
    ["an effect by its number", effect(1), /invalid/],
    ["true for an effect", effect(true), /invalid/],
    ["a list for an effect", effect(["EFFECT_ALLOW"]), /invalid/],
    ["an unknown effect", effect("EFFECT_PROBABLY"), /invalid/],
    ["EFFECT_NO_MATCH", effect("EFFECT_NO_MATCH"), /invalid/],
    ["no effect", effect(null), /invalid/],
    ["two results", (response, request) => reply(response, doubled(request)), /invalid/],
    [
      "an id of its own",
      (response, request) => reply(response, { ...answerTo(request), requestId: "mine" }),
      /invalid/,
    ],
    [
      "another resource",
      (response, request) =>
        reply(
          response,
          spoilt(request, ({ resource }) => ({ resource: { ...resource, id: "other" } })),
        ),
      /invalid/,
    ],
    [
      "another kind",
      (response, request) =>
        reply(
          response,
          spoilt(request, ({ resource }) => ({ resource: { ...resource, kind: "other" } })),
        ),
      /invalid/,
    ],
    [
      "what it inherits",
      (response, request) =>
        reply(
          response,
          JSON.stringify(answerTo(request))
            .replaceAll('"actions":{', '"actions":{"__proto__":{')
            .replaceAll(/(EFFECT_ALLOW")(\})/g, "$1}$2"),
        ),
      /invalid/,
    ],
    [
      "the effect twice",
      (response, request) =>
        reply(
          response,
          JSON.stringify(answerTo(request)).replaceAll(
            /"actions":\{("[^"]+":)/g,
            '"actions":{$1"EFFECT_DENY",$1',
          ),
        ),
      /invalid/,
    ],
    [
      "findings of its schemas",
      (response, request) =>
        reply(
          response,
          spoilt(request, () => ({
            validationErrors: [{ path: "/x", message: "no", source: "SOURCE_RESOURCE" }],
          })),
        ),
      /policy_denied|arguments_invalid/,
    ],
    ["HTML", (response) => reply(response, "<html>ALLOW</html>", 200, "text/html"), /invalid/],
    [
      "its JSON as HTML",
      (response, request) => reply(response, answerTo(request), 200, "text/html"),
      /invalid/,
    ],
    [
      "JSON lines",
      (response, request) =>
        reply(response, `${JSON.stringify(answerTo(request))}\n${JSON.stringify(answerTo(request))}`),
      /invalid/,
    ],
    ["nothing", (response) => reply(response, ""), /invalid/],
    ["an empty object", (response) => reply(response, {}), /invalid/],
    ["status 201", (response, request) => reply(response, answerTo(request), 201), /invalid/],
    ["status 401", (response, request) => reply(response, answerTo(request), 401), /pdp_/],
    ["status 500", (response, request) => reply(response, answerTo(request), 500), /pdp_/],
    ["megabytes", (response, request) => reply(response, { ...answerTo(request), padding: PADDING }), /pdp_/],
    [
      "half an answer",
      (response, request) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "9999" });
        response.write(JSON.stringify(answerTo(request)).slice(0, 40));
        response.socket?.destroy();
      },
      /pdp_/,
    ],
    ["the end of the connection", (response) => response.socket?.destroy(), /unavailable/],
    ["silence", () => undefined, /unavailable/],
    ["a drip", (response, request) => drip(response, JSON.stringify(answerTo(request))), /unavailable/],
    [
      "a redirect",
      (response) => {
        response.writeHead(307, { location: `${bad.url}/elsewhere` });
        response.end();
      },
      /pdp_/,
    ],
  ];

  beforeAll(async () => {
    const [oldest] = testPdps();
    if (!oldest) throw new Error("there is no PDP");
    stage = await openStage(oldest);
    bad = await badPdp();
  });
  afterAll(async () => {
    for (const pdp of pdps) pdp.close();
    await Promise.all([stage.close(), bad.stop()]);
  });
  beforeEach(async () => {
    bad.behave((response, request) => reply(response, answerTo(request)));
    const pdp = cerbos(bad.url, { timeoutMs: TIMEOUT_MS });
    pdps.push(pdp);
    calls = await openAll(stage, () => stage.session("clerk", { pdp, guard: { repeats: false } }));
    await expectAllSent(stage, calls);
  });

  it.each(lies)(
    "denies every adapter when it answers with %s, and works again when it does not",
    async (_, misbehave, code) => {
      bad.behave(misbehave);
      await expectAllDenied(stage, calls, code);
      bad.behave((response, request) => reply(response, answerTo(request)));
      await expectAllSent(stage, calls);
    },
  );
});

/** A sound answer with each result changed. */
function spoilt(request: WireRequest, change: (result: WireResult) => object): WireAnswer {
  const answer = answerTo(request);
  return { ...answer, results: answer.results.map((result) => ({ ...result, ...change(result) })) };
}

function doubled(request: WireRequest): WireAnswer {
  const answer = answerTo(request);
  return { ...answer, results: answer.results.flatMap((result) => [result, result]) };
}

function effect(given: unknown): Misbehaviour {
  return (response, request) =>
    reply(
      response,
      spoilt(request, ({ actions }) => ({
        actions: Object.fromEntries(Object.keys(actions).map((action) => [action, given])),
      })),
    );
}

/** A byte now and then, for longer than anybody waits. */
function drip(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "application/json" });
  let sent = 0;
  const timer = setInterval(() => response.write(text[sent++] ?? " "), 100);
  response.on("close", () => clearInterval(timer));
}
