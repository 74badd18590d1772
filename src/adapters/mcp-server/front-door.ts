import { AuthorizationDeniedError } from "../../core/errors";
import { isJsonObject, type JsonObject } from "../../core/json";
import type { Guard, Session } from "../../index";
import { bearerChallenge } from "../http/bearer-challenge";
import { sessionOpener, type OpenSession } from "../http/caller";
import type { IncomingRequest } from "../http/front-door";
import type { RequestDecision } from "../http/request-guard";
import { isNotification, isRequest, type JsonRpcResponse } from "../mcp/json-rpc";
import { Resumptions } from "../mcp/resumptions";
import type { ServerMemory } from "../mcp/server-memory";
import { TaskBindings } from "../mcp/task-bindings";
import { Admission } from "./admission";
import { authInfoOf, type AuthInfo } from "./auth-info";
import { Caller } from "./caller";
import { definitionsOf } from "./definitions";
import { Link } from "./link";
import { readFrontDoorOptions, type FrontDoorSettings, type GuardMcpServerOptions } from "./options";
import { OwnTools } from "./own-tools";
import { answered, CODES, McpProblem, problemOf } from "./problem";
import { readIncoming } from "./read-message";
import { RecentMap } from "./recent-map";
import { resourceMetadataUrl } from "./resource-metadata";
import { isStateless, METHOD_NOT_FOUND } from "./revisions";
import type { AnyMcpServer } from "./server-transport";
import { TransportGuard } from "./transport-guard";

/** Sessions and principals that are remembered; who has been idle longest is forgotten. */
const MAX_REMEMBERED = 10_000;

type Memory = Omit<ServerMemory, "pins">;

/**
 * Decides HTTP requests to an MCP server before anything of the server's runs.
 *
 * Of an MCP session it knows who has opened it. Anybody else who names it gets the answer that a session would get that does not exist.
 */
export class McpFrontDoor<Source> {
  readonly settings: FrontDoorSettings;
  readonly transports: TransportGuard;
  readonly #open: OpenSession<Source, Caller>;
  readonly #tools = new OwnTools();
  readonly #links: RecentMap<Link>;
  /** The lists of tools that a server of its own is being asked for, by caller. */
  readonly #listings = new Map<string, Promise<JsonObject>>();
  readonly #memories = new RecentMap<Memory>(MAX_REMEMBERED);

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(caller: string, guard: Guard, options: GuardMcpServerOptions<Source>) {
    this.settings = readFrontDoorOptions(caller, options);
    const { agent, identify } = options;
    const who = { ...(agent !== undefined && { agent }), ...(identify !== undefined && { identify }) };
    this.#open = sessionOpener(caller, guard, who, (session) => Caller.of(guard, session));
    this.#links = new RecentMap<Link>(MAX_REMEMBERED, (link) => void link.end().catch(() => undefined));
    this.transports = new TransportGuard({
      opened: (id, link) => this.#links.set(id, link),
      closed: (id) => this.#links.delete(id),
    });
  }

  /** Resolves to what may be handed to the server, or to the answer to what may not. */
  async admit(incoming: IncomingRequest<Source>): Promise<Admission | Response> {
    const { method, headers } = incoming;
    if (method !== "POST" && method !== "GET" && method !== "DELETE") {
      return new McpProblem(405, CODES.refused, "Method not allowed.", { allow: "GET, POST, DELETE" })
        .response;
    }
    try {
      const caller = await this.#open(headers, incoming.source);
      return await (method === "POST" ? this.#post(incoming, caller) : this.#bare(incoming, caller));
    } catch (error) {
      const code = AuthorizationDeniedError.isInstance(error) ? error.denial.code : undefined;
      if (code === "unauthenticated") return problemOf(error, 401, this.#challenge(headers));
      return problemOf(error, code === "unsupported_hop" ? 400 : 403);
    }
  }

  async #post(incoming: IncomingRequest<Source>, caller: Caller): Promise<Admission | Response> {
    const message = await readIncoming(incoming, this.settings.limits);
    const link = this.#linkOf(incoming.headers, caller) ?? this.#link(caller);
    const { ask, session } = await link.renew(caller);
    const exchange = await link.decide(message, incoming, ask);
    const { outcome } = exchange;
    if (outcome.kind === "passed") {
      return this.#admission(incoming, caller, link, {
        session,
        exchange,
        ending: exchange.ending,
        finish: () => link.finish(exchange),
        message: outcome.message,
        decision: outcome.decision,
      });
    }
    link.finish(exchange);
    if (outcome.kind === "answered") {
      const isUnknown = isUnknownMethod(outcome.answer) && isRequest(message) && isStateless(message);
      return answered(outcome.answer, isUnknown ? 404 : 200);
    }
    if (isRequest(message) || isNotification(message)) return new Response(null, { status: 202 });
    throw new McpProblem(400, CODES.invalid, "This answers nothing that the server is waiting for.");
  }

  /** Requests without a message: the stream of what the server says of its own accord, what is left of a stream, and the end of the session. */
  async #bare(incoming: IncomingRequest<Source>, caller: Caller): Promise<Admission> {
    const link = this.#linkOf(incoming.headers, caller);
    const asked = link ?? this.#link(caller);
    const { ask, session } = await asked.renew(caller);
    const { opening } = asked.guard;
    if (incoming.method === "DELETE") {
      const finish = (isDone: boolean): unknown => isDone && this.#forget(link);
      return this.#admission(incoming, caller, link, { session, finish });
    }
    const decision = await ask((own) => own.authorize(opening, { signal: incoming.signal }));
    decision.settle("done");
    link?.guard.listen();
    const ending = new AbortController();
    const stop = asked.session.watch(opening, () => ending.abort());
    return this.#admission(incoming, caller, link, {
      ...{ session, ending: ending.signal, finish: stop, decision },
    });
  }

  #admission(
    incoming: IncomingRequest<Source>,
    caller: Caller,
    link: Link | undefined,
    rest: {
      readonly session: Session;
      readonly exchange?: Admission["exchange"];
      readonly ending?: AbortSignal;
      readonly finish: (isDone: boolean) => unknown;
      readonly message?: object;
      readonly decision?: RequestDecision | undefined;
    },
  ): Admission {
    const authInfo: AuthInfo = authInfoOf(caller, rest.session, this.settings.resource);
    const admission = new Admission(incoming, { ...rest, link, authInfo });
    this.transports.admit(authInfo, admission);
    return admission;
  }

  /** The link of the session that a request names. @throws {McpProblem} where it is none of the caller's. */
  #linkOf(headers: Headers, caller: Caller): Link | undefined {
    const id = headers.get("mcp-session-id");
    if (id === null) return undefined;
    const link = this.#links.get(id);
    if (!link?.isOf(caller)) throw new McpProblem(404, CODES.noSession, "Session not found");
    return link;
  }

  #link(caller: Caller): Link {
    const { key } = caller;
    const memory = this.#memories.get(key) ?? newMemory();
    this.#memories.set(key, memory);
    const { settings } = this.settings;
    return new Link(caller, {
      ...{ settings, memory, catalogue: this.#tools, transport: "streamable-http" },
      listTools: (by) => this.#listTools(by),
    });
  }

  /** Requests of a caller that wait for the same list share it. */
  #listTools(caller: Caller): Promise<JsonObject> {
    const { key } = caller;
    const listing =
      this.#listings.get(key) ?? this.#askServer(caller).finally(() => this.#listings.delete(key));
    this.#listings.set(key, listing);
    return listing;
  }

  async #askServer(caller: Caller): Promise<JsonObject> {
    const { create, resource } = this.settings;
    const context = { era: "legacy", authInfo: authInfoOf(caller, caller.session, resource) };
    return definitionsOf(await (create as (given: unknown) => AnyMcpServer | Promise<AnyMcpServer>)(context));
  }

  #forget(link: Link | undefined): void {
    if (link?.sessionId === undefined) return;
    this.#links.delete(link.sessionId);
    link.close();
  }

  #challenge(headers: Headers): Readonly<Record<string, string>> {
    const { resource } = this.settings;
    if (resource === undefined) return bearerChallenge(headers);
    return bearerChallenge(headers, { resource_metadata: resourceMetadataUrl(resource).href });
  }
}

function newMemory(): Memory {
  return { tasks: new TaskBindings(), clientTasks: new TaskBindings(), resumptions: new Resumptions() };
}

function isUnknownMethod({ error }: JsonRpcResponse): boolean {
  return isJsonObject(error) && error.code === METHOD_NOT_FOUND;
}
