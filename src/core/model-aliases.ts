import { isModelId } from "./names";

/** `20240806` and `2024-08-06`: how providers date the versions of a model. */
const DATE = "(?:\\d{8}|\\d{4}-\\d{2}-\\d{2})";
/** An alias of an alias of an alias is meant by somebody; more are a loop. */
const MAX_NAMES = 8;

interface Alias {
  readonly pattern: RegExp;
  readonly target: string;
}

/** What is wrong with an alias, or `undefined`. */
export function aliasProblem(alias: string, target: string): string | undefined {
  const stars = alias.split("*").length - 1;
  if (!isModelId(alias) || !isModelId(target))
    return "expected model ids: printable characters without spaces";
  if (stars > 1) return "an alias holds * once at most";
  if (target.includes("*") && stars === 0) return "the target holds a * that stands for nothing in the alias";
  return target.split("*").length > 2 ? "the target holds * once at most" : undefined;
}

/** Which model a name stands for, by the operator's configuration. A name that is not listed stands for itself, exactly as it is. */
export class ModelAliases {
  readonly #exact = new Map<string, string>();
  readonly #patterns: Alias[] = [];

  /** `*` in an alias stands for one or more characters, which take the place of the target's `*`; `{date}` for a date. */
  constructor(aliases: Readonly<Record<string, string>>) {
    for (const [alias, target] of Object.entries(aliases)) {
      if (/\*|\{date\}/.test(alias)) this.#patterns.push({ pattern: patternOf(alias), target });
      else this.#exact.set(alias, target);
    }
  }

  /**
   * The name, what it stands for, and so on to the canonical id, which comes last. All of them are to be checked. `undefined` for a name
   * that leads round in a circle, or to no model's id.
   */
  namesOf(id: string): readonly [string, ...string[]] | undefined {
    const names: [string, ...string[]] = [id];
    for (let next = this.#target(id); next !== undefined; next = this.#target(next)) {
      if (next === names.at(-1)) break;
      if (names.length === MAX_NAMES || !isModelId(next)) return undefined;
      names.push(next);
    }
    return names;
  }

  #target(id: string): string | undefined {
    const exact = this.#exact.get(id);
    if (exact !== undefined) return exact;
    for (const { pattern, target } of this.#patterns) {
      const match = pattern.exec(id);
      if (match) return target.replace("*", () => match[1] ?? "");
    }
    return undefined;
  }
}

function patternOf(alias: string): RegExp {
  const parts = alias.split(/(\*|\{date\})/).map((part) => {
    if (part === "*") return "(.+)";
    return part === "{date}" ? DATE : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`);
}
