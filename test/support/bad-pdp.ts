import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A request as it came over the wire. */
export interface WireRequest {
  readonly requestId: string;
  readonly principal: { readonly id: string };
  readonly resources: readonly {
    readonly actions: readonly string[];
    readonly resource: { readonly kind: string; readonly id: string };
  }[];
}

/** What the server does with a request; the socket is at `response.socket`. */
export type Misbehaviour = (response: ServerResponse, request: WireRequest) => unknown;

/** A server in the PDP's place, over real HTTP, that denies the canary as a PDP does and then does as it is told. */
export interface BadPdp {
  readonly url: string;
  /** Every request but canaries. */
  readonly requests: readonly WireRequest[];
  readonly canaries: readonly WireRequest[];
  /** From now on. */
  behave(misbehaviour: Misbehaviour): void;
  /** Ends every connection, and keeps listening. */
  disconnect(): void;
  stop(): Promise<void>;
}

export async function badPdp(
  misbehaviour: Misbehaviour = allowing,
  onCanary: Misbehaviour = (response, request) => reply(response, answerTo(request, "EFFECT_DENY")),
): Promise<BadPdp> {
  const requests: WireRequest[] = [];
  const canaries: WireRequest[] = [];
  let act = misbehaviour;
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = (await json(incoming)) as WireRequest;
    const isCanary = request.principal.id === "hopguard_canary";
    (isCanary ? canaries : requests).push(request);
    (isCanary ? onCanary : act)(response, request);
  };
  const server = createServer((incoming, response) => void handle(incoming, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    canaries,
    behave: (next) => {
      act = next;
    },
    disconnect: () => server.closeAllConnections(),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface WireResult {
  resource: Record<string, unknown>;
  actions: Record<string, unknown>;
  [member: string]: unknown;
}

export interface WireAnswer {
  requestId: string;
  results: WireResult[];
  [member: string]: unknown;
}

/** What a sound PDP would answer, to be spoilt. */
export function answerTo(request: WireRequest, effect = "EFFECT_ALLOW"): WireAnswer {
  return {
    requestId: request.requestId,
    cerbosCallId: "01HHENANTHFD6R6QBZ5Z3ZK7Q8",
    results: request.resources.map(({ resource: { kind, id }, actions }) => ({
      resource: { kind, id },
      actions: Object.fromEntries(actions.map((action) => [action, effect])),
    })),
  };
}

export function reply(
  response: ServerResponse,
  answer: unknown,
  status = 200,
  type = "application/json",
): void {
  response.writeHead(status, { "content-type": type });
  response.end(typeof answer === "string" || Buffer.isBuffer(answer) ? answer : JSON.stringify(answer));
}

/** Answers soundly, and allows everything that it is asked. */
export const allowing: Misbehaviour = (response, request) => reply(response, answerTo(request));
