import * as z from "zod";
import { ConfigurationError } from "../core/errors";
import { InvalidJsonError } from "../core/json";
import { aFunction, objectWith } from "../core/option-types";
import { parseOptions } from "../core/options";
import { parseTarget } from "../core/revocation";
import { readStrictJson } from "../core/strict-json-body";
import type { Guard, MaybePromise, RevocationTarget } from "../index";
import { bearer, named, type Author } from "./authorization";

/** Who may pull the kill switch. */
export interface RevocationHandlerOptions {
  /**
   * A secret of at least 32 characters that every request bears (`authorization: Bearer …`), or a function that says who asks: a name for the
   * record, whatever author the request states, or `undefined` for nobody. A function that throws refuses too.
   */
  readonly authorize: string | ((request: Request) => MaybePromise<string | undefined>);
}

const SECRET = "expected a secret of at least 32 ASCII characters without spaces";

const optionsSchema = z.strictObject({
  authorize: z.union(
    [
      z.string().regex(/^[\x21-\x7e]{32,}$/, SECRET),
      aFunction<Exclude<RevocationHandlerOptions["authorize"], string>>(),
    ],
    `${SECRET}, or a function`,
  ),
});

/**
 * The kill switch over HTTP, for another process to pull: `POST` revokes and `DELETE` restores `{ "target": { "task": "T-1" } }`, with `reason` and
 * `author` for the record of a revocation; `GET` lists what is revoked. It answers with JSON: 200; 400 for a target that is not exactly one thing; 401
 * for whoever may not; 405; 415; and 503 when the state does not confirm it: what was asked for may then stand or not.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function revocationHandler(
  guard: Guard,
  options: RevocationHandlerOptions,
): (request: Request) => Promise<Response> {
  parseOptions(objectWith("revoke", "restore", "revocations"), "revocationHandler.guard", guard);
  const { authorize } = parseOptions(optionsSchema, "revocationHandler", options);
  const identify = typeof authorize === "string" ? bearer(authorize) : named(authorize);

  return async (request) => {
    try {
      return answer(200, await act(guard, request, await identify(request)));
    } catch (error) {
      if (error instanceof Problem) return answer(error.status, { error: error.message }, error.headers);
      return answer(503, { error: "the state has not confirmed this: do not rely on it" });
    }
  };
}

async function act(guard: Guard, request: Request, author: Author | undefined): Promise<object> {
  if (!author) throw new Problem(401, "not authorized", { "www-authenticate": "Bearer" });
  switch (request.method) {
    case "GET":
      return { revocations: await guard.revocations() };
    case "POST": {
      const { target, ...details } = await readBody(request, revocationSchema);
      await guard.revoke(target, { ...details, ...author });
      return { revoked: target };
    }
    case "DELETE": {
      const { target } = await readBody(request, restorationSchema);
      await guard.restore(target);
      return { restored: target };
    }
    default:
      throw new Problem(405, "use GET, POST or DELETE", { allow: "GET, POST, DELETE" });
  }
}

const restorationSchema = z.strictObject({ target: z.unknown() });
const revocationSchema = restorationSchema.extend({
  reason: z.string().max(1000).exactOptional(),
  author: z.string().max(256).exactOptional(),
});

/** Characters: a request is a target and a reason. */
const MAX_LENGTH = 10_000;
/** A page of another origin can send a form or plain text in a user's name, and not this. */
const JSON_TYPE = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;

async function readBody<T extends { readonly target: unknown }>(
  { headers, body }: Request,
  schema: z.ZodType<T>,
): Promise<T & { readonly target: RevocationTarget }> {
  if (!JSON_TYPE.test(headers.get("content-type") ?? "")) throw new Problem(415, "send application/json");
  try {
    const given = parseOptions(schema, "body", await readStrictJson(body, { maxLength: MAX_LENGTH }));
    return { ...given, target: parseTarget(given.target, "body.target") };
  } catch (error) {
    if (error instanceof InvalidJsonError) throw new Problem(400, `the body ${error.message}`);
    if (ConfigurationError.isInstance(error)) throw new Problem(400, error.message);
    throw new Problem(400, "the body could not be read");
  }
}

class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

function answer(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}
