import { ASSERTION_META_KEY } from "../../core/assertion-places";
import { isJsonObject, type JsonObject } from "../../core/json";
import { paramsOf, type Call } from "./json-rpc";

/** What an agent says in our name is not passed on, in whatever case. */
export function withoutAssertion<C extends Call>(call: C): C {
  const { _meta: meta } = paramsOf(call);
  if (!isJsonObject(meta) || !Object.keys(meta).some(isOurs)) return call;
  return withMeta(call, Object.fromEntries(Object.entries(meta).filter(([key]) => !isOurs(key))));
}

/** Hands the server the word on what was decided. */
export function withAssertion<C extends Call>(call: C, assertion: string): C {
  const { _meta: meta } = paramsOf(call);
  return withMeta(call, { ...(isJsonObject(meta) && meta), [ASSERTION_META_KEY]: assertion });
}

const isOurs = (key: string): boolean => key.toLowerCase() === ASSERTION_META_KEY;

function withMeta<C extends Call>(call: C, meta: JsonObject): C {
  const params = Object.freeze({ ...paramsOf(call), _meta: Object.freeze(meta) });
  return Object.freeze({ ...call, params });
}
