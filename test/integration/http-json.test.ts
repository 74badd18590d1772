import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError } from "hopguard";
import { argumentsOf, httpJson, type HttpJsonOptions } from "hopguard/enrichment";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { serve, type LoopbackServer } from "../../examples/shared/serve";
import { enriched } from "../support/enriched";

/** A service of the operator's, and another server that nothing may reach. */
let service: LoopbackServer;
let elsewhere: LoopbackServer;
let respond: (request: Request) => Response | Promise<Response>;
let requests: Request[] = [];
let strays = 0;

beforeAll(async () => {
  service = await serve((request) => {
    requests.push(request);
    return Promise.resolve(respond(request));
  });
  elsewhere = await serve(() => {
    strays++;
    return Promise.resolve(Response.json({ owningTeamID: "team-7" }));
  });
});
afterAll(() => Promise.all([service.stop(), elsewhere.stop()]));
beforeEach(() => {
  requests = [];
  strays = 0;
  respond = () => Response.json({ id: "web", owner: { team: "team-7" } });
});

const project = (options: Partial<HttpJsonOptions> = {}) =>
  httpJson({
    name: "project",
    url: `${service.url}/projects/{id}?as={user}`,
    params: ({ hop, principal }) => ({ id: argumentsOf(hop).project_id, user: principal.id }),
    headers: () => ({ authorization: "Bearer of-the-guard" }),
    ...options,
  });

describe("an HTTP service", () => {
  it("is asked with the operator's credentials, and its JSON is a fact", async () => {
    const { code, facts } = await enriched(project(), "web");
    expect(code).toBe("allow");
    expect(facts).toEqual({ project: { id: "web", owner: { team: "team-7" } } });
    const [request] = requests;
    expect(request?.url).toBe(`${service.url}/projects/web?as=u-1`);
    expect(request?.headers.get("authorization")).toBe("Bearer of-the-guard");
    expect(request?.headers.get("accept")).toBe("application/json");
  });

  it("gives the policy what the operator's schema makes of its answer", async () => {
    const schema = z
      .object({ owner: z.object({ team: z.string() }) })
      .transform(({ owner }) => ({ owningTeamID: owner.team }));
    expect((await enriched(project({ schema }), "web")).facts).toEqual({
      project: { owningTeamID: "team-7" },
    });
    respond = () => Response.json({ owner: null });
    expect((await enriched(project({ schema }), "web")).code).toBe("enrichment_failed");
  });

  it("is asked for what the model named, and not for what it would like", async () => {
    const paths: string[] = [];
    for (const id of ["a/b?c#d&e=%2e", "été", 7, "a..b", "web "]) {
      expect((await enriched(project(), id)).code).toBe("allow");
      paths.push(new URL(requests.at(-1)?.url ?? "").pathname);
    }
    expect(paths).toEqual([
      "/projects/a%2Fb%3Fc%23d%26e%3D%252e",
      "/projects/%C3%A9t%C3%A9",
      "/projects/7",
      "/projects/a..b",
      "/projects/web%20",
    ]);
  });

  it.each([
    "",
    ".",
    "..",
    "...",
    "../admin",
    "a/../b",
    "..\\b",
    "/",
    "a/",
    null,
    true,
    ["web"],
    { id: "web" },
  ])("is not asked where the model would lead it elsewhere, or says nothing: %j", async (id) => {
    expect((await enriched(project(), id)).code).toBe("enrichment_failed");
    expect((await enriched(project())).detail).toContain("no usable value for {id}");
    expect(requests).toEqual([]);
  });
});

it("has credentials that cannot be sent: they stay out of the record", async () => {
  const headers = () => ({ authorization: "Bearer s3cret\nx: y" });
  const { code, detail } = await enriched(project({ headers }), "web");
  expect(code).toBe("enrichment_failed");
  expect(detail).toContain("a header holds what cannot be sent");
  expect(detail).not.toContain("s3cret");
  expect(requests).toEqual([]);
});

describe("an answer that proves nothing denies", () => {
  const text = (body: BodyInit, init: ResponseInit = {}) => new Response(body, init);
  const bytes = (...values: number[]) => new Uint8Array(values);

  it.each<[string, () => Response, RegExp]>([
    ["a redirect", () => Response.redirect(`${elsewhere.url}/projects/web`, 302), /answered 302/],
    ["a redirect that keeps the method", () => Response.redirect(elsewhere.url, 307), /answered 307/],
    ["a success that is not the answer", () => Response.json({ id: "web" }, { status: 203 }), /answered 203/],
    ["no content", () => new Response(null, { status: 204 }), /answered 204/],
    ["an error with JSON", () => Response.json({ id: "web" }, { status: 404 }), /answered 404/],
    ["a page", () => text("<html>"), /is not JSON/],
    ["nothing", () => text(""), /is not JSON/],
    ["one member twice", () => text('{"owner":1,"owner":2}'), /holds a member twice/],
    ["members alike but for case", () => text('{"owner":1,"Owner":2}'), /differ only in case/],
    ["a number that no double holds", () => text("9007199254740993"), /does not fit a double/],
    ["a prototype", () => text('{"__proto__":{"team":1}}'), /__proto__/],
    ["what is no UTF-8", () => text(bytes(0x22, 0xff, 0x22)), /is not UTF-8/],
    ["a character that is cut off", () => text(bytes(0x22, 0xc3)), /is not UTF-8/],
    ["more than 65,536 characters", () => Response.json("a".repeat(65_535)), /is longer than 65536/],
  ])("%s", async (_case, answer, detail) => {
    respond = answer;
    const result = await enriched(project(), "web");
    expect(result).toMatchObject({ code: "enrichment_failed", facts: undefined });
    expect(result.detail).toMatch(detail);
    expect(requests).toHaveLength(1);
    expect(strays).toBe(0);
  });

  it("and a server that is gone", async () => {
    const gone = await serve(() => Promise.resolve(Response.json({})));
    await gone.stop();
    expect((await enriched(httpJson({ name: "gone", url: gone.url }))).code).toBe("enrichment_failed");
  });

  it("while one that is just short enough is taken", async () => {
    respond = () => Response.json("a".repeat(8));
    expect((await enriched(project({ maxLength: 10 }), "web")).code).toBe("allow");
    expect((await enriched(project({ maxLength: 9 }), "web")).code).toBe("enrichment_failed");
  });
});

describe("a service that takes too long", () => {
  it("is given up at the deadline, and hears of it", async () => {
    respond = () => new Promise(() => undefined);
    const { code, detail } = await enriched(project({ timeoutMs: 50 }), "web");
    expect(code).toBe("enrichment_failed");
    expect(detail).toContain("took longer than 50 ms");
    await expect.poll(() => requests[0]?.signal.aborted).toBe(true);
  });

  it("is given up while it drips, and whatever is still to come", async () => {
    let isCancelled = false;
    const drip = new ReadableStream<Uint8Array>({
      async pull(stream) {
        await sleep(10);
        stream.enqueue(new TextEncoder().encode(" "));
      },
      cancel: () => void (isCancelled = true),
    });
    respond = () => new Response(drip);
    expect((await enriched(project({ timeoutMs: 100 }), "web")).code).toBe("enrichment_failed");
    await expect.poll(() => isCancelled).toBe(true);
  });

  it("and never stops is read no further than anybody would look", async () => {
    let sent = 0;
    const flood = new ReadableStream<Uint8Array>({
      pull(stream) {
        sent++;
        stream.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    respond = () => new Response(flood);
    const { code, detail } = await enriched(project(), "web");
    expect(code).toBe("enrichment_failed");
    expect(detail).toMatch(/is longer than 65536/);
    const before = sent;
    await sleep(50);
    expect(sent - before).toBeLessThan(50);
  });
});

describe("options of httpJson that are wrong", () => {
  it.each<[string, object, RegExp]>([
    ["misspelt", { header: () => ({}) }, /header/],
    ["no URL", { url: "projects/{id}" }, /httpJson\.url/],
    ["another scheme", { url: "file:///etc/{id}" }, /httpJson\.url/],
    ["a host that a model could choose", { url: "https://{id}.example/" }, /httpJson\.url/],
    ["credentials in the URL", { url: "https://user:pw@example.com/{id}" }, /httpJson\.url/],
    ["a placeholder that is none", { url: "https://example.com/{project id}" }, /httpJson\.url/],
    ["placeholders without values", { params: undefined }, /httpJson\.params/],
    ["no length", { maxLength: 0 }, /httpJson\.maxLength/],
    ["headers that are no function", { headers: { authorization: "x" } }, /httpJson\.headers/],
    ["no schema", { schema: "object" }, /httpJson\.schema/],
    ["no name", { name: undefined }, /httpJson\.name/],
  ])("are refused where they are given: %s", (_case, options, message) => {
    const make = () =>
      httpJson({ name: "p", url: "https://example.com/{id}", params: () => ({}), ...options });
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(message);
  });
});
