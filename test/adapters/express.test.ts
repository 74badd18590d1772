import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { findDenial, type Guard } from "hopguard";
import { authorize, guardRequests } from "hopguard/express";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createGzip } from "node:zlib";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { listening, type Door } from "../support/model-doors";
import { post, sendBytes } from "../support/raw-requests";

const CHAT = "/v1/chat/completions";
const hello = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const policies = [
  ...labPolicies,
  {
    kind: "ticket",
    rules: [
      {
        ...{ actions: ["read", "close"], effect: "EFFECT_ALLOW" as const, roles: ["analyst"] },
        condition: { match: { expr: 'R.attr.team == "support"' } },
      },
      {
        ...{ actions: ["read"], effect: "EFFECT_ALLOW" as const, roles: ["once"] },
        condition: { match: { expr: '!("read" in R.attr.context.session.calls)' } },
      },
    ],
  },
];

let desk: Desk;
let guard: Guard;
beforeAll(async () => {
  desk = await openDesk({ policies });
  guard = desk.guard;
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

/** Whoever the header says, as a session of the platform's would. */
const identify = ({ headers }: express.Request) => {
  const { "x-user": id } = headers;
  if (typeof id !== "string") return undefined;
  return { principal: { id, roles: ["analyst"] }, agent: { id: "web" } };
};
const guarded = (): RequestHandler => guardRequests(guard, { api: "openai", identify });

/** What the application's own error handler was given. */
const errors: unknown[] = [];
beforeEach(() => void errors.splice(0));

/** Both middlewares, each on a path of its own. */
function useBoth(app: Express, own: Guard): void {
  const hop = { kind: "ticket", id: "T-1", action: "read", attr: { team: "support" } };
  app.use(
    "/tickets",
    authorize(own, () => hop, { identify }),
  );
  app.use("/v1", guardRequests(own, { api: "openai", identify }));
}

async function serving(prepare: (app: Express) => unknown): Promise<Door> {
  const app = express();
  prepare(app);
  const report: ErrorRequestHandler = (error, _req, res, _next) => {
    errors.push(error);
    if (res.headersSent) res.destroy();
    else res.status(500).json({ broken: true });
  };
  app.use(report);
  const door = await listening(createServer(app));
  onTestFinished(() => door.stop());
  return door;
}

const ask = (
  { url }: Door,
  path: string,
  init: Omit<RequestInit, "headers"> & { json?: unknown; headers?: Record<string, string> } = {},
): Promise<Response> => {
  const { json, headers, ...rest } = init;
  return fetch(`${url}${path}`, {
    ...{ method: json === undefined ? "GET" : "POST" },
    ...(json !== undefined && { body: typeof json === "string" ? json : JSON.stringify(json) }),
    headers: { "content-type": "application/json", "x-user": "ada", ...headers },
    ...rest,
  });
};

describe("guardRequests of hopguard/express", () => {
  it("hands on the checked body, frozen, with the session and the decision", async () => {
    let seen: express.Request | undefined;
    const door = await serving((app) =>
      app.use("/v1", guarded(), (req, res) => {
        seen = req;
        res.json({ ok: true });
      }),
    );
    expect(await (await ask(door, CHAT, { json: hello })).json()).toEqual({ ok: true });
    expect(seen?.body).toEqual(hello);
    expect(Object.isFrozen((seen?.body as typeof hello).messages[0])).toBe(true);
    expect(seen?.hopguard?.session.principal).toEqual({ id: "ada", roles: ["analyst"] });
    expect(seen?.hopguard?.decision).toMatchObject({ hop: { id: "gpt-4o-mini", action: "completion" } });
    expect(seen?.hopguard?.decision?.decisionId).toBe(desk.records[0]?.decision_id);
    const request = seen?.hopguard?.request;
    expect(new URL(request?.url ?? "")).toMatchObject({ host: "localhost", pathname: CHAT });
    expect(await request?.json()).toEqual(hello);
  });

  it.each(["/v1", "/api/openai", "/api/openai/v1"])("goes by what it is mounted on: %s", async (base) => {
    const door = await serving((app) => app.use(base, guarded(), (_req, res) => void res.json({})));
    expect((await ask(door, `${base}/chat/completions`, { json: hello })).status).toBe(200);
    expect((await ask(door, `${base}/unknown`, { json: hello })).status).toBe(403);
    expect((await ask(door, base, { json: hello })).status).toBe(403);
  });

  it("may stand on a route, in a router, or before everything", async () => {
    const router = express.Router();
    router.use(guarded(), (_req, res) => void res.json({ by: "router" }));
    const door = await serving((app) => {
      app.post(CHAT, guarded(), (_req, res) => void res.json({ by: "route" }));
      app.use("/tenants/:tenant/openai", router);
      app.use(guardRequests(guard, { api: "openai", identify, basePath: "/late" }));
      app.use((_req, res) => void res.json({ by: "app" }));
    });
    const by = async (path: string): Promise<unknown> => (await ask(door, path, { json: hello })).json();
    expect(await by(CHAT)).toEqual({ by: "route" });
    expect(await by("/tenants/acme/openai/v1/chat/completions")).toEqual({ by: "router" });
    expect(await by("/late/chat/completions")).toEqual({ by: "app" });
    expect(await by("/elsewhere/chat/completions")).toMatchObject({ error: { code: "unsupported_hop" } });
  });

  it.each([
    ["/v1/models/../chat/completions"],
    ["/v1/./chat/completions"],
    ["http://gateway.example/v1/chat/completions"],
    ["/v1/chat\\completions"],
    ['/v1/chat/completions?"'],
  ])("refuses the path %s, which Express and the URL standard read differently", async (path) => {
    let ran = 0;
    const door = await serving((app) => {
      app.use("/v1", guarded(), () => {
        ran++;
      });
    });
    const body = JSON.stringify(hello);
    const headers = ["Content-Type: application/json", "X-User: ada"];
    const [response] = await sendBytes(door.port, post(path, headers, body));
    expect([403, 404]).toContain(response?.status);
    expect(ran).toBe(0);
  });

  describe("with a body parser before it", () => {
    const parsedBy = (...parsers: RequestHandler[]): Promise<Door> =>
      serving((app) => {
        app.use(...parsers);
        app.use("/v1", guarded(), (req, res) => void res.json(req.body));
      });

    it.each([
      ["json", express.json()],
      ["text", express.text({ type: "*/*" })],
      ["raw", express.raw({ type: "*/*" })],
      ["json for other types", express.json({ type: "application/other" })],
      ["urlencoded", express.urlencoded()],
    ])("takes what %s has made of the body", async (_, parser) => {
      const door = await parsedBy(parser);
      expect(await (await ask(door, CHAT, { json: hello })).json()).toEqual(hello);
      expect((await ask(door, CHAT, { json: { ...hello, model: "gpt-4o" } })).status).toBe(403);
      expect((await ask(door, CHAT, { json: "not json" })).status).toBeGreaterThanOrEqual(400);
    });

    it("decides on one reading of it, whatever it becomes", async () => {
      const door = await serving((app) => {
        app.use(express.json(), (req, _res, next) => {
          let asked = 0;
          Object.defineProperty(req.body, "model", {
            get: () => (asked++ === 0 ? "gpt-4o-mini" : "gpt-4o"),
            enumerable: true,
          });
          next();
        });
        app.use("/v1", guarded(), (req, res) => void res.json(req.body));
      });
      expect(await (await ask(door, CHAT, { json: hello })).json()).toMatchObject({ model: "gpt-4o-mini" });
    });

    const keep: RequestHandler = (req, _res, next) => {
      req.once("end", () => {
        next();
      });
      req.resume();
    };
    const forget: RequestHandler = (req, _res, next) => {
      req.body = undefined;
      next();
    };
    it.each([
      ["read by somebody who kept it", [keep]],
      ["parsed and then taken away", [express.json(), forget]],
    ])("says clearly that the body was %s", async (_, readers) => {
      const door = await parsedBy(...readers);
      expect((await ask(door, CHAT, { json: hello })).status).toBe(500);
      expect(errors).toMatchObject([{ name: "ConfigurationError" }]);
      expect(String(errors[0])).toContain("Put the guard before it");
      expect(desk.records).toEqual([]);
    });

    it("reads a request that somebody has paused, and says where one is read as text", async () => {
      const handled: unknown[] = [];
      const door = await serving((app) => {
        app.use("/paused", (req, _res, next) => {
          req.pause();
          setTimeout(next, 10);
        });
        app.use("/text", (req, _res, next) => {
          req.setEncoding("utf8");
          next();
        });
        app.use(["/paused", "/text"], guarded(), (req, res) => {
          handled.push(req.body);
          res.json({});
        });
      });
      expect((await ask(door, "/paused/chat/completions", { json: hello })).status).toBe(200);
      expect((await ask(door, "/text/chat/completions", { json: hello })).status).toBe(500);
      expect(handled).toEqual([hello]);
      expect(errors).toMatchObject([{ name: "ConfigurationError" }]);
    });

    it("lets parsers behind it find the body read", async () => {
      const door = await serving((app) =>
        app.use("/v1", guarded(), express.json(), (req, res) => void res.json(req.body)),
      );
      expect(await (await ask(door, CHAT, { json: hello })).json()).toEqual(hello);
    });
  });

  describe("the response of the handler", () => {
    const answering = (handler: RequestHandler, ...before: RequestHandler[]): Promise<Door> =>
      serving((app) => app.use("/v1", ...before, guarded(), handler));

    it("keeps its status, its headers and its cookies", async () => {
      const door = await answering((_req, res) => {
        res.status(201).cookie("a", "1").cookie("b", "2").set("X-Kind", "kept").append("Vary", "X-One");
        res.append("Vary", "X-Two").send("made");
      });
      const response = await ask(door, CHAT, { json: hello });
      expect(response.status).toBe(201);
      expect(response.headers.getSetCookie()).toEqual(["a=1; Path=/", "b=2; Path=/"]);
      expect(response.headers.get("x-kind")).toBe("kept");
      expect(response.headers.get("vary")).toBe("X-One, X-Two");
      expect(response.headers.get("content-length")).toBe("4");
      expect(await response.text()).toBe("made");
    });

    it.each<[string, RequestHandler, number, string]>([
      ["writeHead with an object", (_q, res) => void res.writeHead(202, { "X-A": "1" }).end("x"), 202, "x"],
      [
        "writeHead with a message",
        (_q, res) => void res.writeHead(202, "Fine", { "X-A": "1" }).end("x"),
        202,
        "x",
      ],
      ["writeHead with a list", (_q, res) => void res.writeHead(202, ["X-A", "1"]).end("x"), 202, "x"],
      ["an encoding", (_q, res) => void res.set("X-A", "1").status(202).end("eA==", "base64"), 202, "x"],
      [
        "a callback",
        (_q, res) =>
          void res
            .set("X-A", "1")
            .status(202)
            .end("x", () => undefined),
        202,
        "x",
      ],
      ["no body", (_q, res) => void res.set("X-A", "1").status(204).end(), 204, ""],
      ["a body that may not be", (_q, res) => void res.set("X-A", "1").status(304).end("x"), 304, ""],
      ["sendStatus", (_q, res) => void res.set("X-A", "1").sendStatus(202), 202, "Accepted"],
    ])("may be made with %s", async (_, handler, status, body) => {
      const door = await answering(handler);
      const response = await ask(door, CHAT, { json: hello });
      expect(response.status).toBe(status);
      expect(response.headers.get("x-a")).toBe("1");
      expect(await response.text()).toBe(body);
    });

    it("may be a file, a stream of megabytes, or a redirect", async () => {
      const chunk = "0123456789".repeat(10_000);
      const door = await serving((app) => {
        app.use("/file", guarded(), (_req, res) => res.sendFile(`${process.cwd()}/package.json`));
        app.use("/pipe", guarded(), (_req, res) => {
          Readable.from(Array.from({ length: 100 }, () => chunk)).pipe(res);
        });
        app.use("/redirect", guarded(), (_req, res) => res.redirect("/elsewhere"));
      });
      const file = await ask(door, "/file/chat/completions", { json: hello });
      expect(await file.json()).toMatchObject({ name: "hopguard" });
      const pipe = await ask(door, "/pipe/chat/completions", { json: hello });
      expect((await pipe.text()).length).toBe(10_000_000);
      const redirect = await ask(door, "/redirect/chat/completions", { json: hello, redirect: "manual" });
      expect(redirect.status).toBe(302);
      expect(redirect.headers.get("location")).toBe("/elsewhere");
    });

    it("holds a handler back that writes faster than the caller reads", async () => {
      let written = 0;
      const door = await answering(async (_req, res) => {
        for (let index = 0; index < 1_000 && !res.closed; index++) {
          written += 65_536;
          if (!res.write(Buffer.alloc(65_536)))
            await new Promise<void>((resolve) => {
              res.once("drain", resolve).once("close", resolve);
            });
        }
        res.end();
      });
      const response = await ask(door, CHAT, { json: hello });
      await sleep(300);
      expect(written).toBeLessThan(30_000_000);
      expect((await response.arrayBuffer()).byteLength).toBe(65_536_000);
    });

    it("opens with its head when the handler says so, and comes event by event", async () => {
      const caller = new EventEmitter();
      const door = await answering(async (_req, res) => {
        res.setHeader("content-type", "text/event-stream").flushHeaders();
        expect(res.headersSent).toBe(true);
        for (const word of ["one", "two"]) {
          await once(caller, "reads on");
          res.write(`data: ${word}\n\n`);
        }
        res.end();
      });
      const response = await ask(door, CHAT, { json: hello });
      const parts: string[] = [];
      caller.emit("reads on");
      for await (const part of response.body ?? []) {
        parts.push(new TextDecoder().decode(part));
        caller.emit("reads on");
      }
      expect(parts).toEqual(["data: one\n\n", "data: two\n\n"]);
    });

    it.each([
      ["whole", (res: express.Response) => void res.end("x")],
      ["in pieces", (res: express.Response) => void res.write("x")],
      ["its head first", (res: express.Response) => void res.writeHead(999)],
    ])("is the error handler's with a status that no web response has: %s", async (_, write) => {
      const door = await answering((_req, res) => {
        res.statusCode = 999;
        write(res);
      });
      const response = await ask(door, CHAT, { json: hello });
      expect([response.status, await response.json()]).toEqual([500, { broken: true }]);
      expect(errors).toMatchObject([{ name: "RangeError" }]);
    });

    it("tells the handler when the caller has gone", async () => {
      let gone = false;
      let aborted = false;
      const door = await answering((req, res) => {
        req.hopguard?.request.signal.addEventListener("abort", () => (aborted = true));
        res.on("close", () => (gone = true));
        res.write("one");
      });
      const controller = new AbortController();
      const response = await ask(door, CHAT, { json: hello, signal: controller.signal });
      await response.body?.getReader().read();
      controller.abort();
      await expect.poll(() => [gone, aborted]).toEqual([true, true]);
    });

    it("is the error handler's when the handler throws, before its head and after", async () => {
      const door = await serving((app) => {
        app.use("/early", guarded(), () => {
          throw new Error("early");
        });
        app.use("/late", guarded(), (_req, res, next) => {
          res.write("half");
          setTimeout(() => next(new Error("late")), 20);
        });
      });
      const early = await ask(door, "/early/chat/completions", { json: hello });
      expect(early.status).toBe(500);
      expect(await early.json()).toEqual({ broken: true });
      const late = await ask(door, "/late/chat/completions", { json: hello });
      await expect(late.text()).rejects.toThrow();
      expect(errors).toMatchObject([{ message: "early" }, { message: "late" }]);
    });

    it("is Express' own where no handler is", async () => {
      const door = await serving((app) => app.use("/v1", guarded()));
      expect((await ask(door, CHAT, { json: hello })).status).toBe(404);
    });

    it("passes what other middleware makes of it, before the guard and behind", async () => {
      const shout: RequestHandler = (_req, res, next) => {
        const write = res.end.bind(res) as (chunk: unknown) => typeof res;
        res.end = ((chunk: unknown) => write(String(chunk).toUpperCase())) as typeof res.end;
        next();
      };
      const door = await answering((_req, res) => void res.send("quiet"), shout);
      expect(await (await ask(door, CHAT, { json: hello })).text()).toBe("QUIET");
      const inner = await serving((app) =>
        app.use("/v1", guarded(), shout, (_req, res) => void res.send("quiet")),
      );
      expect(await (await ask(inner, CHAT, { json: hello })).text()).toBe("QUIET");
    });

    it("may be packed by a handler, where nobody needs to read it", async () => {
      const door = await answering((_req, res) => {
        res.set({ "content-encoding": "gzip", "content-type": "text/plain" });
        const gzip = createGzip();
        gzip.pipe(res);
        gzip.end("packed");
      });
      const response = await ask(door, CHAT, { json: hello });
      expect(response.headers.get("content-encoding")).toBe("gzip");
      expect(await response.text()).toBe("packed");
    });
  });

  describe("behind another guard", () => {
    const ticket = { kind: "ticket", id: "T-2", action: "read", attr: { team: "legal" } };
    const twice = (handler: RequestHandler): Promise<Door> =>
      serving((app) => app.use("/v1", guarded(), guarded(), handler));

    it("denies in one answer that the caller can read", async () => {
      let ran = 0;
      const door = await serving((app) =>
        app.use(
          "/v1",
          guarded(),
          authorize(guard, () => ticket, { identify }),
          (_req, res) => {
            ran++;
            res.json({});
          },
        ),
      );
      const denied = await ask(door, CHAT, { json: hello });
      expect(denied.status).toBe(403);
      expect(denied.headers.get("content-type")).toBe("application/problem+json");
      expect(findDenial(await denied.json())).toMatchObject({
        code: "policy_denied",
        hop: { kind: "ticket" },
      });
      expect(ran).toBe(0);
    });

    it("passes the handler's answer through both, whole and in pieces", async () => {
      const door = await twice((req, res) => {
        if (req.method === "GET") {
          res.json({ data: [{ id: "gpt-4o-mini" }, { id: "gpt-4o" }] });
          return;
        }
        res.status(201).set("content-type", "text/event-stream").flushHeaders();
        Readable.from(["data: one\n\n", "data: two\n\n"]).pipe(res);
      });
      const streamed = await ask(door, CHAT, { json: hello });
      expect(streamed.status).toBe(201);
      expect(await streamed.text()).toBe("data: one\n\ndata: two\n\n");
      expect(await (await ask(door, "/v1/models")).json()).toEqual({ data: [{ id: "gpt-4o-mini" }] });
      const denied = await ask(door, CHAT, { json: { ...hello, model: "gpt-4o" } });
      expect(findDenial(await denied.json())).toMatchObject({ code: "policy_denied" });
    });

    it("holds a handler back, too, that writes faster than the caller reads", async () => {
      let written = 0;
      const door = await twice((_req, res) => {
        const block = Buffer.alloc(65_536);
        const blocks = Array.from({ length: 1_000 }).map(() => block);
        Readable.from(blocks)
          .on("data", () => (written += block.length))
          .pipe(res);
      });
      const response = await ask(door, CHAT, { json: hello });
      await sleep(300);
      expect(written).toBeLessThan(30_000_000);
      expect((await response.arrayBuffer()).byteLength).toBe(65_536_000);
    });
  });

  it("leaves on a denial what was set before it, for pages of other origins", async () => {
    const door = await serving((app) => {
      app.use((_req, res, next) => {
        res.set("access-control-allow-origin", "https://app.example");
        next();
      });
      app.use("/v1", guarded(), (_req, res) => void res.set("x-handler", "1").json({ models: [] }));
    });
    const denied = await ask(door, CHAT, { json: { ...hello, model: "gpt-4o" } });
    expect(denied.status).toBe(403);
    expect(denied.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const unreadable = await ask(door, "/v1/models");
    expect(unreadable.status).toBe(403);
    expect(unreadable.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(unreadable.headers.has("x-handler")).toBe(false);
  });

  it("refuses wrong options where it is made", () => {
    const make = (options: object) => () => guardRequests(guard, options as never);
    expect(make({ api: "gemini", identify })).toThrow(/guardRequests\.api/);
    expect(make({ api: "openai" })).toThrow(/either `agent`/);
    expect(make({ api: "openai", identify, agent: { id: "x" } })).toThrow(/either `agent`/);
    expect(make({ api: "openai", identify, basePath: "v1" })).toThrow(/guardRequests\.basePath/);
    expect(make({ api: "openai", identify, basepath: "/v1" })).toThrow(/basepath/);
    expect(() => guardRequests({} as never, { api: "openai", identify })).toThrow(/guardRequests\.guard/);
  });
});

describe("a caller who has gone before the guard is asked", () => {
  it.each([
    ["authorize", "/tickets", {}],
    ["guardRequests", "/v1/models/gpt-4o-mini", {}],
    ["guardRequests, with a body", CHAT, { json: hello }],
  ])(
    "reaches no handler, and is watched over by nobody: %s",
    async (_, path, { json }: { json?: unknown }) => {
      const rechecked = desk.guardWith({ recheckEveryMs: 50 });
      const ran: string[] = [];
      let arrived: (() => void) | undefined;
      let looked: (() => void) | undefined;
      const hasArrived = new Promise<void>((resolve) => (arrived = resolve));
      const door = await serving((app) => {
        app.use(async (_req, res, next) => {
          const isGone = once(res, "close");
          arrived?.();
          await isGone;
          next();
          looked?.();
        });
        useBoth(app, rechecked);
        app.use((req, res) => {
          ran.push(req.url);
          res.json({});
        });
      });
      const hasLooked = new Promise<void>((resolve) => (looked = resolve));
      const controller = new AbortController();
      const asking = ask(door, path, { json, signal: controller.signal });
      asking.catch(() => undefined);
      await hasArrived;
      controller.abort();
      await hasLooked;
      await expect.poll(() => desk.records).toMatchObject([{ effect: "deny" }]);
      await sleep(200);
      expect(desk.records).toHaveLength(1);
      expect(ran).toEqual([]);
    },
  );
});

describe("a caller who has gone while the answer waits behind another of the connection", () => {
  it.each([
    ["authorize", "GET /tickets", ""],
    ["guardRequests", `POST ${CHAT}`, JSON.stringify(hello)],
  ])("is watched over by nobody, and the handler is told: %s", async (_, line, body) => {
    const rechecked = desk.guardWith({ recheckEveryMs: 50 });
    let signal: AbortSignal | undefined;
    const door = await serving((app) => {
      app.get("/silent", () => undefined);
      useBoth(app, rechecked);
      app.use((req, res) => {
        signal = req.hopguard?.request.signal;
        res.type("text/event-stream").write("data: {}\n\n");
      });
    });
    const socket = connect(door.port, "127.0.0.1");
    const head = `${line} HTTP/1.1\r\nHost: x\r\nX-User: ada\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    socket.write(`GET /silent HTTP/1.1\r\nHost: x\r\n\r\n${head}\r\n\r\n${body}`);
    const rechecks = () => desk.records.filter(({ flags }) => flags.includes("recheck")).length;
    await expect.poll(rechecks).toBeGreaterThan(1);
    socket.destroy();
    await expect.poll(() => signal?.aborted).toBe(true);
    await sleep(100);
    const before = rechecks();
    await sleep(300);
    expect(rechecks()).toBe(before);
  });
});

describe("authorize of hopguard/express", () => {
  const teams: Readonly<Record<string, string>> = { "T-1": "support", "T-2": "legal" };
  const ticket =
    (action: string) =>
    ({ params }: express.Request) => {
      const { id = "" } = params as { id?: string };
      const team = teams[id];
      if (team === undefined) throw new Error(`no ticket ${id}`);
      return { kind: "ticket", id, action, attr: { team } };
    };
  const handled: string[] = [];
  beforeEach(() => void handled.splice(0));
  const tickets = (handler: RequestHandler = (_req, res) => void res.json({ ok: true })): Promise<Door> =>
    serving((app) =>
      app.get("/tickets/:id", authorize(guard, ticket("read"), { identify }), (req, res, next) => {
        handled.push(req.url);
        return handler(req, res, next);
      }),
    );

  it("decides routes of the application's own by the same policies", async () => {
    const door = await tickets((req, res) => {
      const { session, decision, request } = req.hopguard ?? {};
      res.json({
        user: session?.principal.id,
        hop: decision?.hop.id,
        path: new URL(request?.url ?? "").pathname,
      });
    });
    const allowed = await ask(door, "/tickets/T-1");
    expect(await allowed.json()).toEqual({ user: "ada", hop: "T-1", path: "/tickets/T-1" });
    await expect
      .poll(() => desk.records)
      .toMatchObject([{ effect: "allow", hop: { kind: "ticket", action: "read" } }]);
    const denied = await ask(door, "/tickets/T-2");
    expect(denied.status).toBe(403);
    expect(denied.headers.get("content-type")).toBe("application/problem+json");
    const body: unknown = await denied.json();
    expect(body).toMatchObject({
      title: "Forbidden",
      status: 403,
      detail: "The policy does not allow this.",
    });
    expect(findDenial(body)).toMatchObject({ code: "policy_denied" });
    expect(handled).toEqual(["/tickets/T-1"]);
  });

  it("answers nobody with 401, and what hopOf throws is the error handler's", async () => {
    const door = await tickets();
    const nobody = await fetch(`${door.url}/tickets/T-1`);
    expect(nobody.status).toBe(401);
    expect(nobody.headers.get("www-authenticate")).toBe('Bearer realm="hopguard"');
    expect((await ask(door, "/tickets/T-9")).status).toBe(500);
    expect(errors).toMatchObject([{ message: "no ticket T-9" }]);
    expect(handled).toEqual([]);
  });

  it("breaks the response off when authority is withdrawn", async () => {
    const door = await tickets((_req, res) => void res.write("one"));
    const response = await ask(door, "/tickets/T-1", { headers: { "x-user": "withdrawn" } });
    const reading = response.text();
    reading.catch(() => undefined);
    await sleep(50);
    const start = Date.now();
    await guard.revoke({ principal: "withdrawn" });
    await expect(reading).rejects.toThrow();
    expect(Date.now() - start).toBeLessThan(1_500);
  });

  it("counts a call as done only if it was", async () => {
    const once = () => ({
      id: "one-session",
      principal: { id: "ada", roles: ["once"] },
      agent: { id: "web" },
    });
    const door = await serving((app) =>
      app.get("/tickets/:id", authorize(guard, ticket("read"), { identify: once }), (req, res) => {
        res.sendStatus(Number(req.query.status));
      }),
    );
    const statuses: number[] = [];
    for (const status of [404, 500, 202, 200]) {
      statuses.push((await ask(door, `/tickets/T-1?status=${status}`)).status);
      await sleep(20);
    }
    expect(statuses).toEqual([404, 500, 202, 403]);
  });
});
