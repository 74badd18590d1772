const REASON =
  "the guard answers by itself what it knows no rule for, or what lacks the value that a policy decides on; the server is not asked";

/** What the suite asks of a server for its 404, and the check that looks at it. The denials are what a guard is for. */
const UNANSWERED = [
  { action: "unknown/method", code: "unsupported_hop", check: "" },
  { action: "logging/setLevel", code: "arguments_invalid", check: "-logging-setlevel" },
  { action: "resources/subscribe", code: "arguments_invalid", check: "-resources-subscribe" },
  { action: "resources/unsubscribe", code: "arguments_invalid", check: "-resources-unsubscribe" },
];

/** What revision 2026-07-28 does not have any more. A guard in the server's process says so as the server would. */
const GONE = new Set([
  "initialize",
  "logging/setLevel",
  "ping",
  "resources/subscribe",
  "resources/unsubscribe",
]);

/** Differences that need no mending, by scenario and check. */
const EXPLAINED = new Map(
  UNANSWERED.map(({ check }) => [
    `server-stateless sep-2575-http-server-method-not-found-404${check}`,
    REASON,
  ]),
);

/** The policy allows everything, so that any other denial is wrong, even if no check minds. Who has gone meanwhile is not denied anything. */
export const isExplainedDenial = ({ code, hop }) =>
  code === "aborted" ||
  (code === "unsupported_hop" && GONE.has(hop.action)) ||
  UNANSWERED.some((denied) => denied.action === hop.action && denied.code === code);

const STATUSES = ["SUCCESS", "FAILURE", "WARNING", "SKIPPED"];

/** How each check came out. Those of status INFO are a log of requests, and what the guard asks a server on its own account is among them. */
function outcomesOf({ status, checks }) {
  const outcomes = checks
    .filter((check) => STATUSES.includes(check.status))
    .map(({ id, status }) => `${id} ${status}`);
  return status === undefined ? outcomes : [...outcomes, `exit ${status === 0 ? "SUCCESS" : "FAILURE"}`];
}

/** The ids of the checks that came out differently, or another number of times. */
function differences(bare, guarded) {
  const times = (outcomes, wanted) => outcomes.filter((outcome) => outcome === wanted).length;
  const differing = [...bare, ...guarded].filter(
    (outcome) => times(bare, outcome) !== times(guarded, outcome),
  );
  return [...new Set(differing.map((outcome) => outcome.split(" ")[0]))];
}

const counts = (outcomes) =>
  STATUSES.map((status) => [outcomes.filter((outcome) => outcome.endsWith(` ${status}`)).length, status])
    .filter(([count]) => count > 0)
    .map(([count, status]) => `${count} ${status.toLowerCase()}`)
    .join(", ");

/** Compares what a scenario found without a guard and with one. */
export function compare(scenario, bare, guarded, explains = true) {
  const [before, after] = [bare, guarded].map((found) => outcomesOf(found ?? { checks: [] }));
  const differing = differences(before, after).map((check) => ({
    check,
    reason: explains ? EXPLAINED.get(`${scenario} ${check}`) : undefined,
  }));
  const isSame = before.length > 0 && differing.every(({ reason }) => reason !== undefined);
  const verdict = !isSame ? "DIFFERENT" : differing.length > 0 ? "explained" : "same";
  const row = [scenario.padEnd(48), counts(before).padEnd(34), counts(after).padEnd(34), verdict].join(" ");
  const notes = differing.map(({ check, reason = "not explained" }) => `    ${check}: ${reason}`);
  return { verdict, checks: before.length, text: [`  ${row}`, ...notes].join("\n") };
}
