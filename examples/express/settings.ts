import type { Guard } from "hopguard";
import type { Payments } from "./payments";

/** What the app is given by whoever runs it. */
export interface AppSettings {
  readonly guard: Guard;
  /** The providers of models, and the keys for them, which no caller has. */
  readonly openai: Upstream;
  readonly anthropic: Upstream;
  readonly payments: Payments;
}

/** A provider of models, and what it is sent besides. */
export interface Upstream {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
