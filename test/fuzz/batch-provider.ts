import { Members, readLoosely, type Loose } from "./loose-json";
import { hopsOf, hopsOfLine, type Provider } from "./model-oracle";
import type { Seen } from "./model-upstream";
import type { Need } from "./oracle";
import { Violation } from "./violation";
import type { Actor } from "./world";

/** What is with a provider under an id: all that its requests are, and whose it is. */
interface Kept {
  readonly actor: Actor;
  readonly needs: readonly Need[];
  /** Where the lines of a file are for. */
  readonly endpoints: readonly string[];
}

/** What has come to a provider, and what it answered. */
export interface Received {
  readonly seen: Seen;
  readonly needs: readonly Need[];
  readonly answer: Readonly<Record<string, string>>;
}

/** A provider that keeps batches, and knows from what it keeps what somebody must have allowed. */
export class BatchProvider {
  readonly #kept = new Map<string, Kept>();
  #next = 0;

  constructor(private readonly provider: Provider) {}

  /** @throws {Violation} for what the client that asks for it has not created. */
  async receive(seen: Seen): Promise<Received> {
    const { actor, method } = seen;
    const path = new URL(seen.url).pathname.replace(/^\/v1/, "");
    const received = (needs: readonly Need[], answer = {}): Received => ({ seen, needs, answer });
    if (method === "POST" && path === "/files") {
      const { needs, endpoints } = await this.#read(seen);
      return received(needs, { id: this.#keep({ actor, needs, endpoints }) });
    }
    if (method === "POST" && path === "/batches") {
      const kept = this.#run(seen);
      return received(kept.needs, { id: this.#keep(kept), output_file_id: this.#keep(kept) });
    }
    if (method === "POST" && path === "/messages/batches") {
      const needs = hopsOf(this.provider, seen);
      return received(needs, { id: this.#keep({ actor, needs, endpoints: [] }) });
    }
    const [, id = ""] = /^\/(?:messages\/batches|batches|files)\/([^/]+)/.exec(path) ?? [];
    const models = this.#find(actor, id).needs.filter(({ action }) => action === "batch");
    // The counts of one line stand for those of the others.
    const later = models.map(({ request: _request, ...need }) => ({ ...need, isLookUp: method === "GET" }));
    return received(distinct(later), { id });
  }

  #keep(kept: Kept): string {
    const id = `kept-${this.#next++}`;
    this.#kept.set(id, kept);
    return id;
  }

  #find(actor: Actor, id: string): Kept {
    const kept = this.#kept.get(id);
    if (kept?.actor !== actor) throw new Violation("What another has created was asked for:", id);
    return kept;
  }

  /** A file's lines, as they came. */
  async #read({ body }: Seen): Promise<Pick<Kept, "needs" | "endpoints">> {
    const fields = body && "form" in body ? body.form : [];
    const [file, another] = fields.filter(([name]) => name === "file").map(([, value]) => value);
    const purpose = fields.filter(([name]) => name === "purpose").map(([, value]) => value);
    if (!(file instanceof File) || another !== undefined || purpose.join() !== "batch")
      throw new Violation("What was uploaded is no batch's file:", purpose);
    const lines = (await file.text()).split("\n").map(readLoosely);
    const ids = lines.map((line) => JSON.stringify(lineOf(line).get("custom_id")));
    if (new Set(ids).size < ids.length) throw new Violation("Two lines have one id:", ids);
    return {
      needs: distinct(lines.flatMap((line) => hopsOfLine(this.provider, lineOf(line).get("body")))),
      endpoints: lines.map((line) => textOf(lineOf(line).get("url"))),
    };
  }

  #run({ actor, body }: Seen): Kept {
    const run = lineOf(body && "text" in body ? readLoosely(body.text) : null);
    const kept = this.#find(actor, textOf(run.get("input_file_id")));
    const other = kept.endpoints.find((endpoint) => endpoint !== run.get("endpoint"));
    if (other !== undefined) throw new Violation("Lines were run at another endpoint than theirs:", other);
    return kept;
  }
}

/** @throws {Violation} for what is no object, or names a member or a method that nobody reads. */
function lineOf(value: Loose): Members {
  if (!(value instanceof Members)) throw new Violation("A batch holds what is no request.");
  const names = value.entries.map(([name]) => name);
  const isKnown = names.every((name) => MEMBERS.includes(name)) && new Set(names).size === names.length;
  if (!isKnown || !["POST", undefined].includes(value.get("method") as string | undefined))
    throw new Violation("A line has more to it than its request:", names);
  return value;
}

function textOf(value: Loose | undefined): string {
  if (typeof value === "string") return value;
  throw new Violation("A batch names something by what is no string:", value);
}

const MEMBERS = ["custom_id", "method", "url", "body", "input_file_id", "endpoint", "completion_window"];

function distinct(needs: readonly Need[]): readonly Need[] {
  return [...new Map(needs.map((need) => [JSON.stringify(need), need])).values()];
}
