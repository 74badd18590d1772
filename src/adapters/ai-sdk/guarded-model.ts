import { denialError } from "../../core/errors";
import type { ModelCalls } from "./model-calls";
import type { CallParams } from "./model-request";
import { partsUsage, usageOf } from "./model-usage";
import { actionOf, type SpecifiedModel } from "./specified-model";

type Method = (params: CallParams) => PromiseLike<unknown>;

/** The methods of models that ask for one whole answer. */
const WHOLE: ReadonlySet<unknown> = new Set(["doGenerate", "doEmbed", "doRerank"]);

/**
 * The same model, whose calls are decided before they are made. What else it can do (`doSomething` that is not known here) is refused, and
 * its other members are as they were.
 */
export function guardedModel<M extends SpecifiedModel>(model: M, calls: ModelCalls): M {
  const action = actionOf(model);
  const guard = (name: string, method: Method): Method => {
    if (action !== undefined && WHOLE.has(name))
      return async (params) => answered(calls, model, action, method, params);
    if (action === "completion" && name === "doStream")
      return async (params) => streamed(calls, model, action, method, params);
    return () => calls.refuse(model, name, `A model's ${name} is not known to the guard.`);
  };
  // Over a shadow: a frozen model's own methods could not be replaced.
  return new Proxy({} as M, {
    get: (_shadow, name) => {
      // The model's own getters may read what is private to it.
      const value: unknown = Reflect.get(model, name, model);
      const isCall = typeof name === "string" && /^do[A-Z]/.test(name) && typeof value === "function";
      return isCall ? guard(name, (value as Method).bind(model)) : value;
    },
    has: (_shadow, name) => name in model,
    getPrototypeOf: () => Object.getPrototypeOf(model) as object,
    // Or an unguarded method could take a guarded one's place.
    set: () => false,
    defineProperty: () => false,
    setPrototypeOf: () => false,
  });
}

/** Makes a call that answers at once. */
export async function answered<R>(
  calls: ModelCalls,
  model: SpecifiedModel,
  action: string,
  method: (params: CallParams) => PromiseLike<R>,
  given: CallParams,
): Promise<R> {
  const { params, underWay } = await calls.authorize(model, action, given, false);
  try {
    const result = await method({ ...params, abortSignal: underWay.signal });
    underWay.done(usageOf(result));
    return result;
  } catch (error) {
    underWay.failed();
    throw underWay.denial ? denialError(underWay.denial) : error;
  }
}

/** Makes a call whose answer is a stream, which ends with the denial's error when authority is withdrawn. */
export async function streamed<R>(
  calls: ModelCalls,
  model: SpecifiedModel,
  action: string,
  method: (params: CallParams) => PromiseLike<R>,
  given: CallParams,
): Promise<R> {
  const { params, underWay } = await calls.authorize(model, action, given, true);
  try {
    const result = await method({ ...params, abortSignal: underWay.signal });
    const { stream } = result as { readonly stream: ReadableStream<unknown> };
    return { ...result, stream: underWay.followStream(stream, partsUsage()) };
  } catch (error) {
    underWay.failed();
    throw underWay.denial ? denialError(underWay.denial) : error;
  }
}
