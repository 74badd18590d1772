import { Hono } from "hono";
import { createGuard, type PolicyDecisionPoint } from "hopguard";
import { authorize, guardRequests } from "hopguard/hono";

/** A PDP of the application's own, as on the edge: it knows one model and one page, and has nothing to connect to. */
const approved: PolicyDecisionPoint = {
  check: ({ resource, actions }) =>
    Promise.resolve({
      effects: new Map(
        actions.map(
          (action) => [action, /^(?:gpt-4o-mini|home)$/.test(resource.id) ? "allow" : "deny"] as const,
        ),
      ),
      matchedPolicies: new Map(),
      outputs: [],
      validationErrors: [],
    }),
  plan: () => Promise.resolve("never"),
};

const app = new Hono<{ Bindings: { readonly upstream: string } }>();
const guard = createGuard({ pdp: approved });
/** The paths that a handler was run for. */
export const handled: string[] = [];

app.use(
  "/v1/*",
  guardRequests(guard, {
    api: "openai",
    identify: (c) => {
      const id = c.req.header("x-user");
      return id === undefined ? undefined : { principal: { id, roles: ["user"] }, agent: { id: "edge" } };
    },
  }),
);
app.post("/v1/chat/completions", (c) => {
  handled.push(c.req.path);
  return fetch(new Request(`${c.env.upstream}/chat/completions`, c.req.raw));
});
app.get(
  "/pages/:page",
  authorize(guard, (c) => ({ kind: "page", id: c.req.param("page") ?? "", action: "read" }), {
    identify: () => ({ principal: { id: "u-1042", roles: ["user"] }, agent: { id: "edge" } }),
  }),
  (c) => {
    handled.push(c.req.path);
    return c.text(`For ${c.var.hopguard.session.principal.id}.`);
  },
);

/** As an edge platform calls it. */
export async function ask(
  upstream: string,
  path: string,
  { body, ...init }: { readonly headers?: Record<string, string>; readonly body?: unknown } = {},
): Promise<{ readonly status: number; readonly type: string | null; readonly text: string }> {
  const request = new Request(`https://edge.example${path}`, {
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    ...init,
  });
  const response = await app.fetch(request, { upstream });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    text: await response.text(),
  };
}
