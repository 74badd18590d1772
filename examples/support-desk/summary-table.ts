import type { AuditRecord } from "hopguard";
import pc from "picocolors";
import { SERVER_NAMES, type SupportDesk } from "./desk";

/** Hops, allowed, denied, and what reached each upstream all the same. */
export function summaryTable({ records, servers, provider }: SupportDesk): string {
  const decisions = records.filter(({ flags }) => !flags.includes("look_up") && !flags.includes("recheck"));
  const row = (upstream: string, own: readonly AuditRecord[], reached: number): string => {
    const allowed = own.filter(({ effect }) => effect === "allow").length;
    const cells = [own.length, allowed, own.length - allowed, reached];
    return `   ${upstream.padEnd(18)}${cells.map((cell) => String(cell).padStart(10)).join("")}`;
  };
  const header = `   ${"upstream".padEnd(18)}${["hops", "allowed", "denied", "requests"].map((title) => title.padStart(10)).join("")}`;
  const models = decisions.filter(({ hop }) => hop.kind === "llm_model");
  return [
    pc.bold(header),
    row("model provider", models, provider.requests.length),
    ...SERVER_NAMES.map((name) =>
      row(
        name,
        decisions.filter(({ hop }) => hop.kind === `mcp_${name}`),
        servers[name].httpRequests,
      ),
    ),
    pc.dim(
      "   requests: what the upstream has received over HTTP; MCP clients also send notifications and say goodbye",
    ),
  ].join("\n");
}
