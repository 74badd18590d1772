import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { cerbos, type CerbosOptions, type CerbosPdp } from "hopguard/cerbos";
import type { Told } from "./lies";
import type { ScriptedPdp } from "./scripted-pdp";
import { answerTo, asClientAnswer, type Asked, type AskedPlan } from "./wire";

const never = new Promise<never>(() => undefined);

/** What a client cannot read it throws for, and nobody can tell that from an outage. */
export function isSilenceToClient(told: Told): told is Exclude<Told, { readonly value: unknown }> {
  return told === "hang" || told === "reset" || !("value" in told);
}

/** Asks a scripted PDP as a client of `@cerbos/core` would be asked, without a wire between. */
export function overClient(scripted: ScriptedPdp, options: CerbosOptions): CerbosPdp {
  const told = async (answer: Told): Promise<unknown> => {
    if (answer === "hang") return never;
    if (isSilenceToClient(answer)) throw new Error("the client could not read the answer");
    return asClientAnswer(answer.value);
  };
  return cerbos(
    {
      checkResources: async (request: unknown) => told(await scripted.check(asJson(request) as Asked)),
      planResources: async (request: unknown) => {
        const answer = (await told(scripted.plan(asJson(request) as AskedPlan))) as {
          filter: { kind: string };
        };
        return { ...answer, kind: answer.filter.kind };
      },
    },
    options,
  );
}

/** What goes over a wire is a copy. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

/** A server for the scripted PDPs of many runs, each below a path of its own. */
export interface PdpServer {
  over(scripted: ScriptedPdp, options: CerbosOptions): CerbosPdp;
  stop(): Promise<void>;
}

export async function startPdpServer(): Promise<PdpServer> {
  const scripts = new Map<string, ScriptedPdp>();
  const server = createServer((incoming, response) => {
    const answer = async (): Promise<Told> => {
      const [, run = "", , method] = (incoming.url ?? "").split("/");
      const request = await json(incoming);
      // Where a redirect leads, everything is allowed.
      if (run === "allow-everything") return { value: answerTo(request as Asked, () => "allow") };
      const scripted = scripts.get(run);
      if (!scripted) return "reset";
      return method === "check" ? scripted.check(request as Asked) : scripted.plan(request as AskedPlan);
    };
    answer().then(
      (told) => tell(response, told),
      () => response.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    over(scripted, options) {
      const run = crypto.randomUUID();
      scripts.set(run, scripted);
      const pdp = cerbos(`http://127.0.0.1:${port}/${run}`, options);
      return {
        ...pdp,
        close() {
          scripts.delete(run);
          pdp.close();
        },
      };
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function tell(response: ServerResponse, told: Told): void {
  if (told === "hang") return;
  if (told === "reset") response.destroy();
  else if ("value" in told) {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(told.value));
  } else {
    response.writeHead(told.status, { "content-type": told.type, ...told.headers });
    response.end(told.text);
  }
}
