import type { Session } from "../../core/session";
import { answered, streamed } from "./guarded-model";
import { ModelCalls } from "./model-calls";
import type { ModelOptions } from "./model-options";
import type { CallParams } from "./model-request";
import { assertModel, type SpecifiedModel } from "./specified-model";

/** What `wrapLanguageModel` of `ai` 6 and 7 takes. */
export interface LanguageMiddleware {
  readonly specificationVersion: "v3";
  /** Looks at the model when it is wrapped. */
  readonly overrideProvider: (options: { readonly model: SpecifiedModel }) => string;
  /** Decides a call that answers at once. */
  readonly wrapGenerate: <R>(options: WrappedCall<"doGenerate", R>) => Promise<R>;
  /** Decides a call whose answer is a stream. */
  readonly wrapStream: <R>(options: WrappedCall<"doStream", R>) => Promise<R>;
}

/** What `wrapEmbeddingModel` of `ai` 6 and 7 takes. */
export interface EmbeddingMiddleware {
  readonly specificationVersion: "v3";
  /** Looks at the model when it is wrapped. */
  readonly overrideProvider: (options: { readonly model: SpecifiedModel }) => string;
  /** Decides a call that embeds. */
  readonly wrapEmbed: <R>(options: WrappedCall<"doEmbed", R>) => Promise<R>;
}

/** What `wrapImageModel` of `ai` 6 and 7 takes. */
export interface ImageMiddleware {
  readonly specificationVersion: "v3";
  /** Looks at the model when it is wrapped. */
  readonly overrideProvider: (options: { readonly model: SpecifiedModel }) => string;
  /** Decides a call that answers at once. */
  readonly wrapGenerate: <R>(options: WrappedCall<"doGenerate", R>) => Promise<R>;
}

/** The model's own method is called, and not the one that is handed over with its options fixed: what was checked is what is sent. */
type WrappedCall<Method extends string, R> = Readonly<Record<Method, () => PromiseLike<R>>> & {
  readonly model: SpecifiedModel;
  readonly params: object;
};

/**
 * Decides every call of a language model before it is made: the model, what runs at the provider, the tools that are offered. A denied call
 * rejects with the denial, and a stream ends with it when authority is withdrawn. Put it last: what stands behind it is not seen.
 *
 * @throws {ConfigurationError} naming the wrong option, and from `wrapLanguageModel` for a model of another version of `ai`.
 */
export function hopguardMiddleware(session: Session, options: ModelOptions = {}): LanguageMiddleware {
  const calls = new ModelCalls("hopguardMiddleware", session, options);
  return Object.freeze({
    ...heading("hopguardMiddleware"),
    wrapGenerate: <R>({ model, params }: WrappedCall<"doGenerate", R>) =>
      answered(calls, model, "completion", methodOf<R>(model, "doGenerate"), params as CallParams),
    wrapStream: <R>({ model, params }: WrappedCall<"doStream", R>) =>
      streamed(calls, model, "completion", methodOf<R>(model, "doStream"), params as CallParams),
  });
}

/** The same for models that embed. @throws {ConfigurationError} likewise. */
export function hopguardEmbeddingMiddleware(
  session: Session,
  options: ModelOptions = {},
): EmbeddingMiddleware {
  const calls = new ModelCalls("hopguardEmbeddingMiddleware", session, options);
  return Object.freeze({
    ...heading("hopguardEmbeddingMiddleware"),
    wrapEmbed: <R>({ model, params }: WrappedCall<"doEmbed", R>) =>
      answered(calls, model, "embedding", methodOf<R>(model, "doEmbed"), params as CallParams),
  });
}

/** The same for models that make images. @throws {ConfigurationError} likewise. */
export function hopguardImageMiddleware(session: Session, options: ModelOptions = {}): ImageMiddleware {
  const calls = new ModelCalls("hopguardImageMiddleware", session, options);
  return Object.freeze({
    ...heading("hopguardImageMiddleware"),
    wrapGenerate: <R>({ model, params }: WrappedCall<"doGenerate", R>) =>
      answered(calls, model, "image", methodOf<R>(model, "doGenerate"), params as CallParams),
  });
}

/** `ai` asks for the provider's name while it wraps: the one moment to find out that it is another version. */
function heading(caller: string): Pick<LanguageMiddleware, "specificationVersion" | "overrideProvider"> {
  return {
    specificationVersion: "v3",
    overrideProvider: ({ model }) => {
      assertModel(caller, model);
      return model.provider;
    },
  };
}

function methodOf<R>(model: SpecifiedModel, name: string): (params: CallParams) => PromiseLike<R> {
  const method = Reflect.get(model, name) as (params: CallParams) => PromiseLike<R>;
  return (params) => method.call(model, params);
}
