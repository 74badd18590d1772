import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { serve, type LoopbackServer } from "../../examples/shared/serve";

/** A PDP's address at which nobody listens. */
export async function deadPdp(): Promise<CerbosPdp> {
  const server = await serve(() => Promise.resolve(new Response()));
  await server.stop();
  return cerbos(server.url);
}

/** A server in the PDP's place that answers whatever it is told to. A promise that never settles makes it hang. */
export async function brokenPdp(
  answer: () => Response | Promise<Response>,
  timeoutMs = 1000,
): Promise<CerbosPdp & Pick<LoopbackServer, "stop">> {
  const server = await serve(() => Promise.resolve(answer()));
  return { ...cerbos(server.url, { timeoutMs }), stop: () => server.stop() };
}

/** A real PDP behind a proxy that counts what it is asked. */
export async function countingPdp(
  url: string,
): Promise<{ readonly pdp: CerbosPdp; readonly requests: () => number } & Pick<LoopbackServer, "stop">> {
  let requests = 0;
  const proxy = await serve(async (request) => {
    requests++;
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const body = method === "GET" ? null : await request.text();
    const answer = await fetch(url + pathname + search, {
      method,
      body,
      headers: { "content-type": headers.get("content-type") ?? "" },
    });
    const type = answer.headers.get("content-type") ?? "";
    return new Response(await answer.text(), { status: answer.status, headers: { "content-type": type } });
  });
  return {
    pdp: cerbos(proxy.url, { timeoutMs: 10_000 }),
    requests: () => requests,
    stop: () => proxy.stop(),
  };
}
