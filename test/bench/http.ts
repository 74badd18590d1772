import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { build } from "esbuild";
import { median, round } from "./measure";
import type { Workload } from "./workload";

const ROUNDS = 3;
const SECONDS = 4;
const CONNECTIONS = 50;

/**
 * Requests a second of a server on one core, and how long the slowest hundredth takes: a handler alone, one that asks the PDP by hand, and one behind the guard. The
 * load and the PDP are elsewhere, where there is a second core.
 */
export async function http({ url }: Workload) {
  const folder = await bundled();
  try {
    return {
      ...(await measured("express", url, folder)),
      ...(await measured("hono", url, folder)),
      on_one_core: Number(hasTaskset),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const hasTaskset = spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/** The server as it would be published: what runs the sources names every closure when it is made, which costs most where there are many. */
async function bundled(): Promise<string> {
  const cache = fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url));
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "hopguard-bench-"));
  await build({
    entryPoints: [fileURLToPath(new URL("http-server.ts", import.meta.url))],
    outfile: join(folder, SERVER),
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  return folder;
}

const SERVER = "server.mjs";

async function measured(framework: "express" | "hono", pdp: string, folder: string) {
  const child = fork(
    join(folder, SERVER),
    [framework, pdp, join(folder, "audit.jsonl")],
    hasTaskset ? { execPath: "taskset", execArgv: ["-c", "0", process.execPath] } : {},
  );
  const worked = async (): Promise<number> => {
    child.send("how much?");
    const [microseconds] = (await once(child, "message")) as [number];
    return microseconds;
  };
  try {
    const [server] = (await once(child, "message")) as [string];
    const runs: Record<Route, Run[]> = { bare: [], by_hand: [], guarded: [] };
    const run = async (route: Route, seconds: number): Promise<Run> => {
      const before = await worked();
      const { requests, latency } = await load(`${server}/${route}`, seconds);
      return { rps: requests.average, p99: latency.p99, cpu: ((await worked()) - before) / requests.total };
    };
    for (const route of ROUTES) await run(route, 2);
    for (let count = 0; count < ROUNDS; count++)
      for (const route of ROUTES) runs[route].push(await run(route, SECONDS));

    const of = (figure: keyof Run, route: Route) => median(runs[route].map((each) => each[figure]));
    const [bare, byHand, guarded] = ROUTES.map((route) => of("rps", route)) as [number, number, number];
    return Object.fromEntries(
      Object.entries({
        bare_rps: round(bare, 0),
        by_hand_rps: round(byHand, 0),
        guarded_rps: round(guarded, 0),
        ratio: round(guarded / byHand, 2),
        ratio_bare: round(guarded / bare, 2),
        bare_p99_ms: of("p99", "bare"),
        by_hand_p99_ms: of("p99", "by_hand"),
        guarded_p99_ms: of("p99", "guarded"),
        by_hand_cpu_ms: round(of("cpu", "by_hand") / 1000, 2),
        guarded_cpu_ms: round(of("cpu", "guarded") / 1000, 2),
      }).map(([name, value]) => [`${framework}_${name}`, value]),
    );
  } finally {
    child.disconnect();
    await once(child, "exit");
  }
}

const ROUTES = ["bare", "by_hand", "guarded"] as const;
type Route = (typeof ROUTES)[number];

interface Run {
  readonly rps: number;
  /** In milliseconds. */
  readonly p99: number;
  /** Microseconds of work for one request. */
  readonly cpu: number;
}

/** A chat request of 2 kB, over and over. */
async function load(url: string, seconds: number): Promise<autocannon.Result> {
  const result = await autocannon({
    url: `${url}/v1/chat/completions`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "gpt-4o-mini",
      messages: [
        { role: "system", content: "You work for a support desk. ".repeat(50) },
        { role: "user", content: "Which tickets are open?" },
      ],
      temperature: 0.2,
      max_tokens: 500,
    }),
    connections: CONNECTIONS,
    duration: seconds,
  });
  const { non2xx, errors } = result;
  if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} answers were no success, and ${errors} failed`);
  return result;
}
