import { FaultError } from "./errors";
import type { Kept } from "./kept";
import type { Catalogue } from "./models";
import type { RecordedRequest } from "./recorded-request";
import type { PlayedTurn, TurnRequest } from "./script";
import { isObject, type JsonObject } from "./wire";

/** What an endpoint has at hand to answer one request. */
export interface Exchange {
  readonly request: RecordedRequest;
  /** The variable part of the path: the id of `/v1/models/{id}` or `/v1/files/{id}`, or Azure's deployment. */
  readonly name: string | undefined;
  readonly catalogue: Catalogue;
  /** What earlier requests left at the provider. */
  readonly kept: Kept;
  /** Where the provider is, for the URLs in its answers. */
  readonly url: string;
  /** Asks the script for the model's turn. */
  readonly play: (turn: Omit<TurnRequest, "path" | "headers">) => Promise<PlayedTurn>;
  /** Answers a request that stands in a batch. */
  readonly answer: (path: string, body: unknown) => Promise<Response>;
}

/** Answers one request. @throws {FaultError} for a request that the provider would refuse. */
export type Endpoint = (exchange: Exchange) => Response | Promise<Response>;

/** The JSON object in a request's body. @throws {FaultError} 400 for anything else. */
export function jsonBody({ request }: Exchange): JsonObject {
  if (isObject(request.body)) return request.body;
  throw new FaultError({ status: 400, message: "We could not parse the JSON body of your request." });
}

/** The model that a request names: in the path, the body or the form. @throws {FaultError} 400 for none. */
export function requestedModel({ request, name }: Exchange): string {
  const field = request.fields?.find((candidate) => candidate.name === "model")?.value;
  const model = name ?? field ?? (isObject(request.body) ? request.body.model : undefined);
  if (typeof model === "string" && model !== "") return model;
  throw new FaultError({ status: 400, message: "you must provide a model parameter" });
}
