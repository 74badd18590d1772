import { Members, type Loose } from "./loose-json";
import { Violation } from "./violation";

/** Members whose contents are the caller's own. */
const OPAQUE = ["parameters", "input_schema", "schema", "metadata", "arguments", "tool_choice", "input"];
export const IS_MODEL = /^(?:.*model.*|engine|deployment.*|.*fallback.*)$/i;

export interface Found {
  readonly models: readonly string[];
  /** Types of tools that run at the provider. */
  readonly hosted: readonly string[];
  readonly servers: readonly string[];
  /** Names of tools that are declared. */
  readonly tools: readonly string[];
  readonly prompt: string | undefined;
}

/** Looks through everything, for every spelling. */
export function scan(root: Members, isWhole: boolean): Found {
  const models: string[] = [];
  const hosted: string[] = [];
  const servers: string[] = [];
  const tools: string[] = [];
  let prompt: string | undefined;
  const strings = (value: Loose): readonly string[] => {
    if (typeof value === "string") return [value];
    if (Array.isArray(value)) return value.flatMap(strings);
    return value instanceof Members ? value.entries.flatMap(([, member]) => strings(member)) : [];
  };
  const tool = (entry: Loose): void => {
    if (!(entry instanceof Members)) throw new Violation("A declared tool is no object.");
    const type = entry.get("type") ?? "function";
    const inner = entry.get("function");
    const name = entry.get("name") ?? (inner instanceof Members ? inner.get("name") : undefined);
    if (type === "function" || type === "custom") tools.push(nameOf(name));
    else hosted.push(nameOf(type));
    server(entry, type === "mcp");
  };
  const server = (entry: Members, isServer: boolean): void => {
    const urls = ["server_url", "url", "connector_id"].flatMap((key) => entry.all(key));
    if (isServer || entry.all("server_url").length > 0) servers.push(nameOf(urls[0]));
  };
  const visit = (value: Loose, isRoot: boolean): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, false);
    if (!(value instanceof Members)) return;
    for (const [key, member] of value.entries) {
      const name = key.toLowerCase();
      if (OPAQUE.includes(name) || (isRoot && name === "model")) continue;
      if (IS_MODEL.test(name)) models.push(...strings(member));
      if ((name === "tools" || name === "functions") && Array.isArray(member)) member.forEach(tool);
      if (name === "mcp_servers" && Array.isArray(member)) {
        for (const entry of member) {
          hosted.push("mcp");
          if (entry instanceof Members) server(entry, true);
        }
      }
      if (isRoot && name === "web_search_options") hosted.push("web_search");
      if (isRoot && (name === "plugins" || name === "data_sources") && Array.isArray(member)) {
        for (const entry of member)
          if (entry instanceof Members) hosted.push(nameOf(entry.get("type") ?? entry.get("id")));
      }
      if (isRoot && name === "prompt" && member instanceof Members) prompt = nameOf(member.get("id"));
      visit(member, false);
    }
  };
  visit(root, isWhole);
  return { models, hosted, servers, tools, prompt };
}

/** What is no name is one that nobody allows. */
function nameOf(value: Loose | undefined): string {
  return typeof value === "string" ? value : "";
}
