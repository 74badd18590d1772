import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { User } from "../shared/login";
import type { Answer } from "./scene";
import { AUDIENCE, type Stage } from "./stage";

/** The people of the desk. */
export const BEN: User = { id: "u-1042", roles: ["support"] };
export const ADA: User = { id: "u-2001", roles: ["lead"] };

/** Somebody's program: SDKs that were told where the gateway is, and `fetch`. */
export interface Caller {
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  refund(payment: string, amount_cents: unknown): Promise<Answer>;
  /** Sends this very text. */
  post(path: string, text: string, type?: string): Promise<Answer>;
}

/** A caller with this bearer token, or without any. */
export function callerWith({ url }: Stage, token?: string): Caller {
  const post = async (path: string, text: string, type = "application/json"): Promise<Answer> => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const init = { method: "POST", headers: { "content-type": type, ...authorization }, body: text };
    const response = await fetch(`${url}${path}`, init);
    const { status, headers } = response;
    return { status, headers, body: await response.json() };
  };
  return {
    openai: new OpenAI({ apiKey: token ?? "none", baseURL: `${url}/openai/v1` }),
    anthropic: new Anthropic({ authToken: token ?? "none", apiKey: null, baseURL: `${url}/anthropic` }),
    refund: (payment, amount_cents) => post(`/payments/${payment}/refunds`, JSON.stringify({ amount_cents })),
    post,
  };
}

/** Somebody who has logged in. */
export async function loggedIn(stage: Stage, user: User): Promise<Caller> {
  return callerWith(stage, await stage.login.token(user, AUDIENCE));
}

export const HELLO = [{ role: "user" as const, content: "Which tickets are open?" }];

/** What an SDK makes of an answer: its error, where it is one. */
export async function bySdk(call: Promise<unknown>): Promise<Answer> {
  try {
    return { status: 200, headers: new Headers(), body: await call };
  } catch (error) {
    if (!(error instanceof OpenAI.APIError || error instanceof Anthropic.APIError)) throw error;
    const { status, headers } = error as { readonly status?: number; readonly headers?: Headers };
    return { status: status ?? 0, headers: headers ?? new Headers(), body: error };
  }
}
