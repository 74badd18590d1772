import { createGuard, type AuditRecord, type Guard, type GuardOptions } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import {
  startLocalProvider,
  type LocalProvider,
  type Turn,
  type TurnRequest,
} from "../shared/local-provider";
import { openLogin, type Login } from "../shared/login";
import type { LoopbackServer } from "../shared/serve";
import { createDesk } from "../support-desk/servers/desk-data";
import type { Payments } from "./payments";
import type { AppSettings } from "./settings";

/** Serves the app, and answers with where it is. */
export type ServeApp = (settings: AppSettings) => Promise<LoopbackServer>;

/** Everything that the story plays on: a PDP, a provider of models, somebody who issues tokens, and the app. */
export interface Stage {
  /** Where the app is. */
  readonly url: string;
  readonly guard: Guard;
  readonly login: Login;
  readonly provider: LocalProvider;
  readonly payments: Payments;
  stop(): Promise<void>;
}

export interface StageOptions {
  readonly serve: ServeApp;
  /** Sees each decision as it is recorded. */
  readonly onRecord: (record: AuditRecord) => void;
  /** Makes the guard. Tests make one that lacks something, and the story must notice. Default: `createGuard`. */
  readonly newGuard?: (options: GuardOptions) => Guard;
}

export async function openStage({ serve, onRecord, newGuard = createGuard }: StageOptions): Promise<Stage> {
  const pdp = await startPdp({ policies: new URL("policies", import.meta.url) });
  // Long, because the machine that this runs on may be busy.
  const patience = { timeoutMs: 10_000 };
  const decisions = cerbos(pdp.url, patience);
  const login = await openLogin();
  const guard = newGuard({
    ...patience,
    pdp: decisions,
    identity: login.identityFor(AUDIENCE),
    audit: onRecord,
  });
  const provider = await startLocalProvider({ turn: aLetter });
  const { payments } = createDesk();
  const app = await serve({
    guard,
    openai: { url: provider.url, headers: { authorization: `Bearer ${PROVIDER_KEY}` } },
    anthropic: { url: provider.url, headers: { "x-api-key": PROVIDER_KEY } },
    payments,
  });
  return {
    ...{ url: app.url, guard, login, provider, payments },
    stop: async () => {
      await app.stop();
      decisions.close();
      await Promise.all([pdp.stop(), provider.stop()]);
    },
  };
}

/** What the app is called in tokens. */
export const AUDIENCE = "https://desk.example";

/** What the provider knows the gateway by. */
export const PROVIDER_KEY = "sk-of-the-gateway";

/** Plays the model, which is slow when it writes a letter. */
function aLetter({ model, body }: TurnRequest): Turn {
  if (body.stream !== true) return { text: `This is ${model}.` };
  return {
    text: "Dear Noor Haddad, a standing desk begins as a beech. ".repeat(20),
    deltas: 300,
    deltaDelayMs: 20,
  };
}
