import type { AuditRecord } from "hopguard";
import pc from "picocolors";

/** How long a column may be; the rest is cut. */
const fit = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);

/** What the marks mean. */
export const LEGEND = pc.dim(
  "   Every line is a decision: who for whom, what, how long it took, and why not. Nothing is sent before it.\n" +
    "   allow, deny: the agent wants to do this   look: the guard asks what to show   ended: it was under way",
);

/** Tells a decision in one line: effect, who for whom, what, how long, why. */
export function tellDecision({
  effect,
  agent,
  subject,
  hop,
  ms,
  reason,
  remediation,
  flags,
  detail,
}: AuditRecord): void {
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
  console.log(`   ${mark}  ${who} ${what} ${time}${why}`);
}
