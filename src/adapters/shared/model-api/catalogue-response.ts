import type { JsonObject } from "../../../core/json";
import { isModelId } from "../../../core/names";
import type { Session } from "../../../core/session";

/** The provider's list of models without those that this principal may not see. What is no list is not passed on. */
export async function filterCatalogue(
  session: Session,
  response: Response,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (!response.ok) return response;
  const body = (await response.json()) as JsonObject;
  if (!Array.isArray(body.data)) throw new TypeError("the provider's list of models has no data");
  const listed = (body.data as readonly { readonly id?: unknown }[]).filter((model) => isModelId(model.id));
  const ids = listed.map(({ id }) => id as string);
  const { models } = await session.capabilities({ models: ids }, signal ? { signal } : {});
  const data = listed.filter(({ id }) => models[id as string] !== "never");
  const headers = new Headers(response.headers);
  // The body is another one now, and it is plain.
  for (const name of ["content-length", "content-encoding", "transfer-encoding"]) headers.delete(name);
  return new Response(JSON.stringify({ ...body, data }), { status: response.status, headers });
}
