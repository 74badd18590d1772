import { DENIAL_REASONS } from "./denial";
import { digestJson } from "./digest";
import type { JsonValue } from "./json";
import type { CheckedPrincipal } from "./principal";
import { Refusal } from "./refusal";
import { remember } from "./remember";
import { cleanText } from "./text";

/** When a call that was denied is no longer asked about. */
export interface RepeatOptions {
  /** How often in a row the PDP must have denied the very same call. */
  readonly afterDenials: number;
  /** Milliseconds for which it is then refused without asking. */
  readonly forMs: number;
}

interface Streak {
  readonly denials: number;
  readonly refusal: Refusal;
  /** On the monotonic clock. */
  readonly refusedUntil: number;
}

/** An agent that makes calls up only forgets its oldest streaks, and pays for the PDP again. */
const MAX_STREAKS = 256;

/**
 * Stops an agent that goes on making a denied call, for little: after some denials in a row it is refused here for a while. It can only
 * deny. An answer of the PDP other than a denial ends the streak.
 */
export class RepeatedDenials {
  #principals: readonly CheckedPrincipal[] | undefined;
  readonly #streaks = new Map<string, Streak>();

  constructor(private readonly options: RepeatOptions) {}

  /**
   * Asks, unless the same question was denied often enough just now. `question` is what the PDP is asked, without counts and ids.
   *
   * @throws {Refusal} `repeat_denied`, or what `ask` throws.
   */
  async ask(
    principals: readonly CheckedPrincipal[],
    question: () => JsonValue,
    ask: () => Promise<void>,
  ): Promise<void> {
    // Another token, other roles: what was denied before may be allowed now.
    if (this.#principals !== principals) this.#streaks.clear();
    this.#principals = principals;
    // Nothing is hashed for an agent that is never denied.
    const key = this.#streaks.size > 0 ? await digestJson(question()) : undefined;
    const streak = key === undefined ? undefined : this.#streaks.get(key);
    if (streak && performance.now() < streak.refusedUntil) throw repeated(streak.refusal);
    try {
      await ask();
      if (key !== undefined) this.#streaks.delete(key);
    } catch (error) {
      if (error instanceof Refusal) this.#count(key ?? (await digestJson(question())), error);
      throw error;
    }
  }

  #count(key: string, refusal: Refusal): void {
    const denials = (this.#streaks.get(key)?.denials ?? 0) + 1;
    const { afterDenials, forMs } = this.options;
    const refusedUntil = denials >= afterDenials ? performance.now() + forMs : 0;
    remember(this.#streaks, key, { denials, refusal, refusedUntil }, MAX_STREAKS);
  }
}

/** What would help still would. */
function repeated({ details, message }: Refusal): Refusal {
  const { reason, remediation, refusedBy } = details;
  return new Refusal("repeat_denied", {
    ...(reason !== undefined && { reason: `${cleanText(reason, 220)} ${DENIAL_REASONS.repeat_denied}` }),
    ...(remediation && { remediation }),
    ...(refusedBy !== undefined && { refusedBy }),
    detail: `denied before: ${message}`,
  });
}
