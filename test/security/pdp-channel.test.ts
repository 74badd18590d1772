import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { createGuard, type Decision, type Hop, type Session } from "hopguard";
import { cerbos, type CerbosOptions, type CerbosPdp } from "hopguard/cerbos";
import { afterEach, describe, expect, it } from "vitest";
import {
  allowing,
  answerTo,
  badPdp,
  reply,
  type BadPdp,
  type Misbehaviour,
  type WireAnswer,
  type WireRequest,
} from "../support/bad-pdp";

const TIMEOUT_MS = 500;
/** Where what is answered counts, and not when: a slow machine takes a second for ten megabytes. */
const PATIENT_MS = 10_000;
/** For the machine, on top of the deadline. */
const LENIENCY_MS = 1000;

const open: { readonly close: () => unknown }[] = [];
afterEach(async () => {
  for (const { close } of open.splice(0)) await close();
});

const serve = async (...behaviour: Parameters<typeof badPdp>): Promise<BadPdp> => {
  const pdp = await badPdp(...behaviour);
  open.push({ close: () => pdp.stop() });
  return pdp;
};

const connect = (url: string, options: CerbosOptions = {}): CerbosPdp => {
  const pdp = cerbos(url, { timeoutMs: TIMEOUT_MS, ...options });
  open.push(pdp);
  return pdp;
};

const sessionOf = (pdp: CerbosPdp, id = "alice"): Promise<Session> =>
  createGuard({ pdp, audit: () => undefined }).session({
    principal: { id, roles: ["clerk"] },
    agent: { id: "bot" },
  });

const tool = (name: string): Hop => ({ kind: "mcp_payments", action: `tools/call/${name}` });
const refund = tool("refund_issue");

const outcome = (decision: Decision): string =>
  decision.effect === "deny" ? decision.denial.code : "allowed";

/** One check by a guard that knows the PDP already, so that only the check itself meets the misbehaviour. */
async function check(
  pdp: BadPdp,
  misbehaviour: Misbehaviour,
  timeoutMs = PATIENT_MS,
): Promise<{ outcome: string; ms: number }> {
  pdp.behave((response, request) => reply(response, answerTo(request, "EFFECT_DENY")));
  const session = await sessionOf(connect(pdp.url, { timeoutMs }));
  await session.check(refund);
  pdp.behave(misbehaviour);
  const started = performance.now();
  const decision = await session.check(refund);
  return { outcome: outcome(decision), ms: performance.now() - started };
}

const spoilt =
  (spoil: (answer: WireAnswer, request: WireRequest) => unknown): Misbehaviour =>
  (response, request) => {
    const answer = answerTo(request);
    reply(response, spoil(answer, request) ?? answer);
  };

/** The answer's text, with one piece of it replaced. */
const rewritten = (from: string, to: string): Misbehaviour =>
  spoilt((answer) => {
    const sound = JSON.stringify(answer);
    const spoilt = sound.replace(from, to);
    if (spoilt === sound) throw new Error(`${from} is not in ${sound}`);
    return spoilt;
  });

const ACTION = refund.action;
const ALLOW = `"${ACTION}":"EFFECT_ALLOW"`;

describe("an answer that proves nothing denies with pdp_invalid_response", () => {
  it.each<[string, Misbehaviour]>([
    ["no results", spoilt((answer) => ({ ...answer, results: [] }))],
    ["results left out", spoilt(({ requestId }) => ({ requestId }))],
    ["results that are null", spoilt((answer) => ({ ...answer, results: null }))],
    ["no actions", spoilt((answer) => void Object.assign(answer.results[0] ?? {}, { actions: {} }))],
    [
      "actions left out",
      spoilt((answer) => void Object.assign(answer.results[0] ?? {}, { actions: undefined })),
    ],
    ["another action", rewritten(ALLOW, '"tools/call/balance_get":"EFFECT_ALLOW"')],
    ["another action beside ours", rewritten(ALLOW, `${ALLOW},"initialize":"EFFECT_ALLOW"`)],
    ["a glob for an action", rewritten(ALLOW, '"*":"EFFECT_ALLOW"')],
    ["our action in another case", rewritten(ALLOW, '"tools/call/Refund_issue":"EFFECT_ALLOW"')],
    ["actions through __proto__", rewritten(ALLOW, `"__proto__":{${ALLOW}}`)],
    ["an unknown effect", rewritten('"EFFECT_ALLOW"', '"EFFECT_MAYBE"')],
    ["an effect without its case", rewritten('"EFFECT_ALLOW"', '"effect_allow"')],
    ["an effect with a space", rewritten('"EFFECT_ALLOW"', '"EFFECT_ALLOW "')],
    ["the number of an effect", rewritten('"EFFECT_ALLOW"', "1")],
    ["true for an effect", rewritten('"EFFECT_ALLOW"', "true")],
    ["a list for an effect", rewritten('"EFFECT_ALLOW"', '["EFFECT_ALLOW"]')],
    ["null for an effect", rewritten('"EFFECT_ALLOW"', "null")],
    ["no policy match", rewritten('"EFFECT_ALLOW"', '"EFFECT_NO_MATCH"')],
    ["a DENY, then an ALLOW for the same action", rewritten(ALLOW, `"${ACTION}":"EFFECT_DENY",${ALLOW}`)],
    [
      "the same, spelt with an escape",
      rewritten(ALLOW, `"${ACTION}":"EFFECT_DENY","${ACTION.replace("f", "\\u0066")}":"EFFECT_ALLOW"`),
    ],
    ["results twice", rewritten('"results":', '"results":[],"results":')],
    ["results and Results", rewritten('"results":', '"Results":[],"results":')],
    ["two results for our resource", spoilt((answer) => void answer.results.push(...answer.results))],
    [
      "a result for nobody beside ours",
      spoilt((answer) => void answer.results.push({ resource: { kind: "x", id: "y" }, actions: {} })),
    ],
    ["a foreign id", rewritten('"id":"payments/', '"id":"payments/x')],
    ["a foreign kind", rewritten('"kind":"mcp_payments"', '"kind":"mcp_tickets"')],
    ["an id that is no text", rewritten('"id":"payments/', '"id":7,"was":"')],
    ["no resource", spoilt((answer) => void Object.assign(answer.results[0] ?? {}, { resource: undefined }))],
    ["a foreign requestId", spoilt((answer) => ({ ...answer, requestId: crypto.randomUUID() }))],
    ["no requestId", spoilt((answer) => ({ ...answer, requestId: undefined }))],
    ["validation errors that are no list", rewritten(`"actions"`, `"validationErrors":"none","actions"`)],
    ["a list", spoilt((answer) => [answer])],
    ["null", spoilt(() => "null")],
    ["text", spoilt(() => '"EFFECT_ALLOW"')],
    ["nothing at all", spoilt(() => "")],
    ["half of the JSON", spoilt((answer) => JSON.stringify(answer).slice(0, -2))],
    ["JSON twice", spoilt((answer) => JSON.stringify(answer).repeat(2))],
    [
      "a thousand levels",
      spoilt((answer) => ({ ...answer, more: JSON.parse("[".repeat(1000) + "]".repeat(1000)) as unknown })),
    ],
    ["a number beyond a double", rewritten('"results"', '"more":9007199254740993,"results"')],
    [
      "UTF-8 that is none",
      spoilt((answer) =>
        Buffer.concat([
          Buffer.from(JSON.stringify(answer).slice(0, -1) + ',"more":"'),
          Buffer.from([0xc3, 0x28]),
          Buffer.from('"}'),
        ]),
      ),
    ],
    ["UTF-16", spoilt((answer) => Buffer.from(JSON.stringify(answer), "utf16le"))],
    ["ten megabytes", spoilt((answer) => ({ ...answer, more: "x".repeat(10_000_000) }))],
    ["HTML", (response) => reply(response, "<html>Welcome</html>", 200, "text/html")],
    [
      "JSON that says it is HTML",
      (response, request) => reply(response, answerTo(request), 200, "text/html"),
    ],
    ["JSON without a type", (response, request) => reply(response, answerTo(request), 200, "")],
    [
      "a type that only begins alike",
      (response, request) => reply(response, answerTo(request), 200, "application/json5"),
    ],
    [
      "a gzipped body",
      (response, request) => {
        response.setHeader("content-encoding", "gzip");
        reply(response, gzipSync(JSON.stringify(answerTo(request))));
      },
    ],
    ["an ALLOW with status 201", (response, request) => reply(response, answerTo(request), 201)],
    ["an ALLOW with status 203", (response, request) => reply(response, answerTo(request), 203)],
    ["status 204", (response) => void response.writeHead(204).end()],
    ["an ALLOW with status 206", (response, request) => reply(response, answerTo(request), 206)],
    ["an ALLOW with status 400", (response, request) => reply(response, answerTo(request), 400)],
    ["an ALLOW with status 403", (response, request) => reply(response, answerTo(request), 403)],
    ["an ALLOW with status 404", (response, request) => reply(response, answerTo(request), 404)],
    ["an ALLOW with status 429", (response, request) => reply(response, answerTo(request), 429)],
  ])("%s", async (_, misbehaviour) => {
    const pdp = await serve();
    expect((await check(pdp, misbehaviour)).outcome).toBe("pdp_invalid_response");
  });

  it.each([301, 302, 303, 307, 308])("a redirect with status %i, which nobody follows", async (status) => {
    const elsewhere = await serve(allowing, allowing);
    const pdp = await serve();
    const { outcome } = await check(pdp, (response) => {
      response.writeHead(status, { location: `${elsewhere.url}/api/check/resources` }).end();
    });
    expect(outcome).toBe("pdp_invalid_response");
    expect([...elsewhere.requests, ...elsewhere.canaries]).toEqual([]);
  });
});

describe("an answer for other policies than were asked", () => {
  it.each([
    {},
    { scope: "acme" },
    { scope: "acme", policyVersion: "v1" },
    { scope: "globex", policyVersion: "v2" },
  ])("proves nothing: %j", async (answered) => {
    const pdp = await serve(
      spoilt(({ results: [result] }) => void Object.assign(result?.resource ?? {}, answered)),
    );
    const session = await sessionOf(connect(pdp.url, { scope: "acme", policyVersion: "v2" }));
    expect(outcome(await session.check(refund))).toBe("pdp_invalid_response");
  });
});

describe("an ALLOW is denied as the PDP's schemas ask", () => {
  const withErrors = (...validationErrors: unknown[]): Misbehaviour =>
    spoilt((answer) => void Object.assign(answer.results[0] ?? {}, { validationErrors }));

  it("when arguments did not fit, by the place", async () => {
    const error = { path: "/arguments/amount_cents", message: "expected integer", source: "SOURCE_RESOURCE" };
    expect((await check(await serve(), withErrors(error))).outcome).toBe("arguments_invalid");
  });

  it.each([[{ path: "/type", message: "x", source: "SOURCE_PRINCIPAL" }], [{}]])(
    "when something else did not: %j",
    async (error) => {
      expect((await check(await serve(), withErrors(error))).outcome).toBe("policy_denied");
    },
  );
});

describe("a PDP that does not answer denies with pdp_unavailable, in time", () => {
  it.each<[string, Misbehaviour]>([
    ["that hangs", () => undefined],
    [
      "that sends headers, and then hangs",
      (response) => response.writeHead(200, { "content-type": "application/json" }).flushHeaders(),
    ],
    ["that drips a byte at a time past the deadline", drip],
    [
      "that drips headers past the deadline",
      (response) => dripInto(response, "HTTP/1.1 200 OK\r\nx-slow: ", "x"),
    ],
    ["that resets the connection", (response) => void response.socket?.resetAndDestroy()],
    ["that closes without an answer", (response) => void response.socket?.end()],
    [
      "that breaks off its answer",
      (response, request) => {
        const body = JSON.stringify(answerTo(request));
        response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
        response.write(body.slice(0, -1), () => response.socket?.destroy());
      },
    ],
    [
      "that breaks off a chunked answer which is whole already",
      (response, request) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write(JSON.stringify(answerTo(request)), () => response.socket?.destroy());
      },
    ],
    ["that speaks no HTTP", (response) => void response.socket?.end("EFFECT_ALLOW\r\n\r\n")],
    [
      "that switches protocols",
      (response) =>
        void response.socket?.end(
          "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: allow\r\n\r\n",
        ),
    ],
    ["with status 500", (response, request) => reply(response, answerTo(request), 500)],
    ["with status 503", (response) => reply(response, "overloaded", 503, "text/plain")],
  ])("%s", async (_, misbehaviour) => {
    const pdp = await serve();
    const { outcome, ms } = await check(pdp, misbehaviour, TIMEOUT_MS);
    expect(outcome).toBe("pdp_unavailable");
    expect(ms).toBeLessThan(TIMEOUT_MS + LENIENCY_MS);
  });

  it("where nobody listens", async () => {
    const pdp = await serve();
    await pdp.stop();
    expect(outcome(await (await sessionOf(connect(pdp.url))).check(refund))).toBe("pdp_unavailable");
  });

  it("whose canary and check are each slow enough for one deadline", async () => {
    const late: Misbehaviour = (response, request) => {
      setTimeout(() => reply(response, answerTo(request, "EFFECT_DENY")), TIMEOUT_MS * 0.7);
    };
    const pdp = await serve(late, late);
    const session = await sessionOf(connect(pdp.url));
    const started = performance.now();
    expect(outcome(await session.check(refund))).toBe("pdp_unavailable");
    expect(performance.now() - started).toBeLessThan(TIMEOUT_MS + LENIENCY_MS);
  });

  it("that takes more than half of the deadline is late for the first check alone, whose canary took the rest", async () => {
    const late =
      (effect: string): Misbehaviour =>
      (response, request) => {
        setTimeout(() => reply(response, answerTo(request, effect)), TIMEOUT_MS * 0.7);
      };
    const pdp = await serve(late("EFFECT_ALLOW"), late("EFFECT_DENY"));
    const session = await sessionOf(connect(pdp.url));
    expect(outcome(await session.check(refund))).toBe("pdp_unavailable");
    expect(outcome(await session.check(refund))).toBe("allowed");
    expect(pdp.canaries).toHaveLength(1);
    // A check that had its whole time is another matter.
    pdp.behave(() => undefined);
    expect(outcome(await session.check(refund))).toBe("pdp_unavailable");
    expect(outcome(await session.check(refund))).toBe("pdp_unavailable");
    expect(pdp.canaries).toHaveLength(2);
  });
});

describe("the canary", () => {
  it.each<[string, Misbehaviour, string]>([
    ["is allowed", allowing, "pdp_invalid_response"],
    ["gets no proof", (response) => reply(response, {}), "pdp_invalid_response"],
    ["is refused", (response) => reply(response, "{}", 400), "pdp_invalid_response"],
    ["is left without an answer", () => undefined, "pdp_unavailable"],
    ["meets an error", (response) => reply(response, "{}", 500), "pdp_unavailable"],
  ])(
    "denies every check and every look-up while it %s, and nothing of them is sent",
    async (_, onCanary, code) => {
      const pdp = await serve(allowing, onCanary);
      const session = await sessionOf(connect(pdp.url));
      expect(await Promise.all([session.check(refund), session.check(tool("balance_get"))])).toMatchObject([
        { denial: { code } },
        { denial: { code } },
      ]);
      await expect(session.visible("payments", ["refund_issue"])).rejects.toMatchObject({ denial: { code } });
      expect(pdp.requests).toEqual([]);
    },
  );

  it("is sent once, and again only after it failed", async () => {
    let canaries = 0;
    const pdp = await serve(allowing, (response, request) =>
      reply(response, answerTo(request, ++canaries === 1 ? "EFFECT_ALLOW" : "EFFECT_DENY")),
    );
    const session = await sessionOf(connect(pdp.url));
    expect(outcome(await session.check(refund))).toBe("pdp_invalid_response");
    for (let turn = 0; turn < 3; turn++) expect(outcome(await session.check(refund))).toBe("allowed");
    expect(pdp.canaries).toHaveLength(2);
  });

  it("holds up nobody who has given up", async () => {
    const pdp = await serve(allowing, () => undefined);
    const session = await sessionOf(connect(pdp.url, { timeoutMs: 5000 }));
    const started = performance.now();
    expect(outcome(await session.check(refund, { signal: AbortSignal.timeout(50) }))).toBe("aborted");
    expect(performance.now() - started).toBeLessThan(50 + LENIENCY_MS);
  });
});

describe("connections", () => {
  it("that were closed meanwhile are opened again, and no check is lost", async () => {
    const pdp = await serve();
    const session = await sessionOf(connect(pdp.url));
    for (let turn = 0; turn < 3; turn++) {
      expect(outcome(await session.check(refund))).toBe("allowed");
      pdp.disconnect();
    }
  });

  it("that die as they are used again, all of them, are replaced by a new one", async () => {
    const pdp = await serve();
    const client = connect(pdp.url);
    const sessions = await Promise.all(["alice", "bob", "carol"].map((id) => sessionOf(client, id)));
    await sessions[0]?.check(refund);
    const used = new Set<unknown>();
    pdp.behave((response, request) => {
      if (used.has(response.socket)) return response.socket?.resetAndDestroy();
      used.add(response.socket);
      allowing(response, request);
    });
    // Three principals are three requests at once, and so three connections in the pool.
    for (const decision of await Promise.all(sessions.map((session) => session.check(refund)))) {
      expect(outcome(decision)).toBe("allowed");
    }
    for (const session of sessions) expect(outcome(await session.check(refund))).toBe("allowed");
  });

  it("whose answers come before the question never answer it", async () => {
    const pdp = await serve();
    const early: Misbehaviour = (response, request) => {
      const body = JSON.stringify(answerTo(request));
      const message = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
      response.socket?.write(message.repeat(2));
    };
    pdp.behave(early);
    const session = await sessionOf(connect(pdp.url));
    expect(outcome(await session.check(refund))).toBe("allowed");
    pdp.behave((response, request) => reply(response, answerTo(request, "EFFECT_DENY")));
    expect(outcome(await session.check(refund))).not.toBe("allowed");
  });

  it("recover by themselves when the PDP does", async () => {
    const pdp = await serve();
    const session = await sessionOf(connect(pdp.url));
    for (const [behaviour, expected] of [
      [allowing, "allowed"],
      [drip, "pdp_unavailable"],
      [(response) => reply(response, "{", 200), "pdp_invalid_response"],
      [(response) => void response.socket?.resetAndDestroy(), "pdp_unavailable"],
      [allowing, "allowed"],
    ] as const satisfies readonly (readonly [Misbehaviour, string])[]) {
      pdp.behave(behaviour);
      expect(outcome(await session.check(refund))).toBe(expected);
    }
  });

  it("go to the PDP itself, whatever proxy the environment names", async () => {
    const pdp = await serve();
    const proxy = await serve(allowing, allowing);
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    const script = `
      import { cerbos } from ${JSON.stringify(new URL("../../src/pdp/index.ts", import.meta.url).href)};
      const query = { principal: { id: "u", roles: ["r"], attr: {} }, resource: { kind: "k", id: "1", attr: {} }, actions: ["a"], annotations: {} };
      const { effects } = await cerbos(${JSON.stringify(pdp.url)}, { timeoutMs: 5000 }).check(query);
      console.log(effects.get("a"));
      process.exit();`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        NODE_USE_ENV_PROXY: "1",
        NO_PROXY: "",
        no_proxy: "",
        ...Object.fromEntries(names.map((name) => [name, proxy.url])),
      },
    });
    const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect(said.trim()).toBe("allow");
    expect([pdp.canaries.length, pdp.requests.length]).toEqual([1, 1]);
    expect([...proxy.requests, ...proxy.canaries]).toEqual([]);
  });

  it("carry the operator's headers", async () => {
    const seen: unknown[] = [];
    const pdp = await serve((response, request) => {
      seen.push(response.req.headers.authorization, response.req.headers["content-type"]);
      allowing(response, request);
    });
    const session = await sessionOf(
      connect(`${pdp.url}/behind/a/gateway`, {
        headers: { authorization: "Bearer x", "Content-Type": "text/plain" },
      }),
    );
    expect(outcome(await session.check(refund))).toBe("allowed");
    expect(seen).toEqual(["Bearer x", "application/json"]);
  });
});

describe("checks that start together", () => {
  const parallel = (session: Session, count: number): Promise<Decision[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => session.check(tool(`tool_${index}`))));

  it.each([
    [20, [20]],
    [50, [50]],
    [120, [20, 50, 50]],
  ])("share requests: %i of them are %j", async (count, sizes) => {
    const pdp = await serve();
    const session = await sessionOf(connect(pdp.url, { timeoutMs: 5000 }));
    expect((await parallel(session, count)).every(({ effect }) => effect === "allow")).toBe(true);
    expect(pdp.canaries).toHaveLength(1);
    // They are sent at once, over connections of their own, and arrive in any order.
    expect(pdp.requests.map(({ resources }) => resources.length).sort()).toEqual(sizes);
  });

  it("get each the answer to its own, in whatever order the answers stand", async () => {
    const pdp = await serve((response, request) => {
      const answer = answerTo(request);
      for (const { actions } of answer.results) {
        for (const action of Object.keys(actions))
          if (/[13579]$/.test(action)) actions[action] = "EFFECT_DENY";
      }
      answer.results.reverse();
      reply(response, answer);
    });
    const decisions = await parallel(await sessionOf(connect(pdp.url)), 20);
    expect(decisions.map(({ effect }) => effect)).toEqual(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? "deny" : "allow")),
    );
  });

  it("are all denied when the answers' ids are swapped", async () => {
    const pdp = await serve(
      spoilt(({ results: [first, second] }) => {
        if (first && second) [first.resource, second.resource] = [second.resource, first.resource];
      }),
    );
    const decisions = await parallel(await sessionOf(connect(pdp.url)), 2);
    expect(decisions.map(outcome)).toEqual(["pdp_invalid_response", "pdp_invalid_response"]);
  });

  it("are all denied when one of them is left out, or answered twice", async () => {
    for (const spoil of [
      (answer: WireAnswer) => void answer.results.pop(),
      (answer: WireAnswer) => void answer.results.splice(1, 1, ...answer.results.slice(0, 1)),
    ]) {
      const pdp = await serve(spoilt(spoil));
      const decisions = await parallel(await sessionOf(connect(pdp.url)), 3);
      expect(decisions.map(outcome)).toEqual(Array(3).fill("pdp_invalid_response"));
    }
  });

  it("never share a request when they are of one model", async () => {
    const pdp = await serve();
    const session = await sessionOf(connect(pdp.url));
    const model: Hop = { kind: "llm_model", id: "gpt-4o", action: "completion" };
    const decisions = await Promise.all([
      session.check(model),
      session.check(model),
      session.check({ ...model, id: "gpt-4o-mini" }),
    ]);
    expect(decisions.map(outcome)).toEqual(["allowed", "allowed", "allowed"]);
    expect(pdp.requests.map(({ resources }) => resources.map(({ resource }) => resource.id)).sort()).toEqual([
      ["gpt-4o"],
      ["gpt-4o", "gpt-4o-mini"],
    ]);
  });

  it("never share a request with another principal, nor with another session of the same", async () => {
    const pdp = await serve();
    const client = connect(pdp.url);
    const sessions = await Promise.all(["alice", "bob", "alice"].map((id) => sessionOf(client, id)));
    await Promise.all(sessions.flatMap((session) => [session.check(refund), session.check(refund)]));
    expect(pdp.requests.map(({ principal, resources }) => [principal.id, resources.length]).sort()).toEqual([
      ["alice", 2],
      ["alice", 2],
      ["bob", 2],
    ]);
  });

  it("are split by size as well, below the PDP's limit of 4 MiB", async () => {
    const pdp = await serve();
    const session = await sessionOf(connect(pdp.url, { timeoutMs: 10_000 }));
    const large = "x".repeat(1_000_000);
    const decisions = await Promise.all(
      Array.from({ length: 7 }, () => session.check({ ...refund, attr: { arguments: { large } } })),
    );
    expect(decisions.map(outcome)).toEqual(Array(7).fill("allowed"));
    expect(pdp.requests.map(({ resources }) => resources.length).sort()).toEqual([1, 3, 3]);
  });

  it.each([400, 413, 429])(
    "are asked about one by one when the PDP refuses them together with status %i",
    async (status) => {
      const pdp = await serve((response, request) => {
        const spoils = request.resources.some(({ actions }) => actions.includes("tools/call/tool_3"));
        if (spoils) reply(response, { code: 3, message: "invalid" }, status);
        else allowing(response, request);
      });
      const decisions = await parallel(await sessionOf(connect(pdp.url, { timeoutMs: 5000 })), 6);
      expect(decisions.map(outcome)).toEqual([
        "allowed",
        "allowed",
        "allowed",
        "pdp_invalid_response",
        "allowed",
        "allowed",
      ]);
      expect(pdp.requests.map(({ resources }) => resources.length)).toEqual([6, 1, 1, 1, 1, 1, 1]);
    },
  );

  it("are not asked about again after another failure", async () => {
    const pdp = await serve((response) => reply(response, "{}", 500));
    const decisions = await parallel(await sessionOf(connect(pdp.url)), 6);
    expect(decisions.map(outcome)).toEqual(Array(6).fill("pdp_unavailable"));
    expect(pdp.requests).toHaveLength(1);
  });

  it("are dropped one by one, before they are sent and after", async () => {
    const pdp = await serve((response, request) => {
      setTimeout(() => allowing(response, request), 60);
    });
    const session = await sessionOf(connect(pdp.url, { timeoutMs: 5000 }));
    await session.check(refund);
    const [before, after] = [new AbortController(), new AbortController()];
    const checks = [before.signal, after.signal, undefined].map((signal) =>
      session.check(refund, signal ? { signal } : {}),
    );
    before.abort();
    await expect.poll(() => pdp.requests, { interval: 1 }).toHaveLength(2);
    after.abort();
    expect((await Promise.all(checks)).map(outcome)).toEqual(["aborted", "aborted", "allowed"]);
    expect(pdp.requests[1]?.resources).toHaveLength(2);
  });

  it("give their connection up once nobody waits any more", async () => {
    const pdp = await serve((response) => {
      response.once("close", () => (closed = true));
    });
    let closed = false;
    const session = await sessionOf(connect(pdp.url, { timeoutMs: 10_000 }));
    const signal = AbortSignal.timeout(100);
    const checks = await Promise.all([session.check(refund, { signal }), session.check(refund, { signal })]);
    expect(checks.map(outcome)).toEqual(["aborted", "aborted"]);
    await expect.poll(() => closed).toBe(true);
  });
});

function drip(response: Parameters<Misbehaviour>[0]): void {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 20);
  response.once("close", () => clearInterval(timer));
}

function dripInto({ socket }: Parameters<Misbehaviour>[0], start: string, drop: string): void {
  socket?.write(start);
  const timer = setInterval(() => socket?.write(drop), 20);
  socket?.once("close", () => clearInterval(timer));
}
