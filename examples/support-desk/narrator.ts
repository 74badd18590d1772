import type { AuditRecord } from "hopguard";
import pc from "picocolors";
import { SERVER_NAMES, type SupportDesk } from "./desk";

/** How long a column may be; the rest is cut. */
const fit = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);

/** What the marks mean. */
export const LEGEND = pc.dim(
  "   Every line is a decision: who for whom, what, how long it took, and why not. Nothing is sent before it.\n" +
    "   allow, deny: the agent wants to do this   look: the guard asks what to show   ended: it was under way",
);

/** One decision as one line: effect, who for whom, what, how long, why. */
export function decisionLine({
  effect,
  agent,
  subject,
  hop,
  ms,
  reason,
  remediation,
  flags,
  detail,
}: AuditRecord): string {
  const lookUp = flags.includes("look_up") && effect === "allow";
  const mark = flags.includes("recheck")
    ? pc.red("✘ ended")
    : lookUp
      ? pc.dim("· look ")
      : effect === "allow"
        ? pc.green("✔ allow")
        : pc.red("✘ deny ");
  const who = fit(`${agent.id} for ${subject.id}`, 28);
  const what = fit(`${hop.name}  ${hop.action}`, 40);
  const time = pc.dim(`${ms.toFixed(1).padStart(6)} ms`);
  const { type, ...details } = remediation ?? {};
  const remedy = remediation
    ? pc.yellow(`  → ${String(type)}: ${Object.values(details).map(String).join(", ")}`)
    : "";
  const why = lookUp ? pc.dim(`  ${detail ?? ""}`) : reason === undefined ? "" : `  ${reason}${remedy}`;
  return `   ${mark}  ${who} ${what} ${time}${why}`;
}

/** Hops, allowed, denied, and what reached each upstream all the same. */
export function summaryTable({ records, servers, provider }: SupportDesk): string {
  const decisions = records.filter(({ flags }) => !flags.includes("look_up") && !flags.includes("recheck"));
  const row = (upstream: string, own: readonly AuditRecord[], reached: number): string => {
    const allowed = own.filter(({ effect }) => effect === "allow").length;
    const cells = [own.length, allowed, own.length - allowed, reached];
    return `   ${fit(upstream, 18)}${cells.map((cell) => String(cell).padStart(10)).join("")}`;
  };
  const header = `   ${fit("upstream", 18)}${["hops", "allowed", "denied", "requests"].map((title) => title.padStart(10)).join("")}`;
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
