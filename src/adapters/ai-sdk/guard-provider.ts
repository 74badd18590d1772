import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { guardedModel } from "./guarded-model";
import { ModelCalls } from "./model-calls";
import type { ModelOptions } from "./model-options";
import { actionOf, assertModel, assertSpecification } from "./specified-model";

type Factory = (...args: unknown[]) => unknown;

/** What providers call the functions that make models, beside calling the provider itself. */
const FACTORY =
  /^(?:chat|responses|messages|completion|languageModel|(?:(?:chat|completion|(?:text)?embedding|image|transcription|speech|reranking|video)(?:Model)?))$/i;

/**
 * The same provider, whose models are guarded, of whatever kind they are: every call is decided before it is made. What makes no model (files,
 * batches, realtime connections) is refused. As `AI_SDK_DEFAULT_PROVIDER`, or in a registry, it decides models that are asked for by name.
 *
 * @throws {ConfigurationError} naming the wrong option; for a provider of another version of `ai`; and from the provider, for what is refused.
 */
export function guardProvider<P extends object>(
  provider: P,
  session: Session,
  options: ModelOptions = {},
): P {
  if (!["object", "function"].includes(typeof provider) || (provider as unknown) === null)
    throw new ConfigurationError("guardProvider: expected a provider of the AI SDK");
  // Registries do not say; then it is the models that do.
  if ("specificationVersion" in provider) assertSpecification("guardProvider", "a provider", provider);
  const calls = new ModelCalls("guardProvider", session, options);
  const guard =
    (name: string, make: Factory): Factory =>
    (...args) => {
      const model: unknown = make(...args);
      assertModel(`guardProvider: ${name}`, model);
      if (actionOf(model) === undefined) throw unsupported(name);
      return guardedModel(model, calls);
    };
  // Over a shadow, because the methods of some providers stand in a class, and of others on a function.
  const shadow = typeof provider === "function" ? () => undefined : {};
  return new Proxy(shadow as P, {
    apply: (_shadow, _this, args) => guard("the provider", provider as Factory)(...(args as unknown[])),
    get: (_shadow, name) => {
      const member: unknown = Reflect.get(provider, name, provider);
      if (typeof member !== "function") return member;
      return FACTORY.test(String(name))
        ? guard(String(name), member.bind(provider) as Factory)
        : () => {
            throw unsupported(String(name));
          };
    },
    has: (_shadow, name) => name in provider,
    set: () => false,
    defineProperty: () => false,
    setPrototypeOf: () => false,
  });
}

function unsupported(name: string): ConfigurationError {
  return new ConfigurationError(
    `guardProvider: ${name} makes no model whose calls could be decided, and is refused`,
  );
}
