import type { JsonObject } from "../../../core/json";
import { isModelId } from "../../../core/names";
import type { Session } from "../../../core/session";

const OF_THE_WHOLE_LIST = [
  ...["content-length", "content-encoding", "transfer-encoding"],
  ...["etag", "last-modified", "expires", "age"],
];

/** The provider's list of models without those that this principal may not see. What is no list is not passed on. */
export async function filterCatalogue(
  session: Session,
  response: Response,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (!response.ok) return response;
  const body = (await response.json()) as JsonObject;
  if (!Array.isArray(body.data)) throw new TypeError("the provider's list of models has no data");
  const listed = (body.data as readonly { readonly id?: unknown }[]).filter(hasModelId);
  const ids = listed.map(({ id }) => id);
  const { models } = await session.capabilities({ models: ids }, signal ? { signal } : {});
  const data = listed.filter(({ id }) => models[id] !== "never");
  const headers = new Headers(response.headers);
  // The body is another one now, and it is plain. It is this principal's, as policies are now: nobody may take it for another's list, or for that of later.
  for (const name of OF_THE_WHOLE_LIST) headers.delete(name);
  headers.set("cache-control", "private, no-store");
  // Only what is known to name no model: some servers list the same ones again under other names.
  const { object, has_more } = body;
  // The next page begins after the last model that is shown, because the provider's own cursor may name one that is not.
  const page = { has_more, first_id: data.at(0)?.id ?? null, last_id: data.at(-1)?.id ?? null };
  const shown = { object, data, ...(has_more !== undefined && page) };
  return new Response(JSON.stringify(shown), { status: response.status, headers });
}

function hasModelId<T extends { readonly id?: unknown }>(model: T): model is T & { readonly id: string } {
  return isModelId(model.id);
}
