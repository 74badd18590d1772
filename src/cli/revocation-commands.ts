import type { Command } from "commander";
import type { Revocation, RevocationDetails, RevocationTarget } from "../index";
import { withKillSwitch, type Place } from "./kill-switch";

const TARGETS = ["task", "session", "agent", "principal"] as const;

type Given = Partial<Record<(typeof TARGETS)[number], string>> & Place & RevocationDetails;

/** `revoke`, `restore` and `revocations`. */
export function addRevocationCommands(program: Command): void {
  const revoke = program
    .command("revoke")
    .description("withdraw authority: from now on every hop of it is denied, in every process")
    .option("--reason <text>", "why, for the record")
    .option("--author <name>", "who, for the record");
  withPlace(withTarget(revoke)).action(async ({ reason, author, ...given }: Given) => {
    const target = targetOf(given);
    const details = { ...(reason !== undefined && { reason }), ...(author !== undefined && { author }) };
    await withKillSwitch(given, (killSwitch) => killSwitch.revoke(target, details));
    console.log(`revoked ${describe(target)}`);
  });

  const restore = program.command("restore").description("take a revocation back");
  withPlace(withTarget(restore)).action(async (given: Given) => {
    const target = targetOf(given);
    await withKillSwitch(given, (killSwitch) => killSwitch.restore(target));
    console.log(`restored ${describe(target)}`);
  });

  const list = program.command("revocations").description("list what is revoked, the newest first");
  withPlace(list)
    .option("--json", "one line of JSON each")
    .action(async ({ json = false, ...given }: Given & { readonly json?: boolean }) => {
      const revocations = await withKillSwitch(given, (killSwitch) => killSwitch.list());
      for (const revocation of revocations) {
        console.log(json ? JSON.stringify(revocation) : lineOf(revocation));
      }
      if (revocations.length === 0 && !json) console.log("nothing is revoked");
    });
}

function withTarget(command: Command): Command {
  return command
    .option("--task <id>", "every hop of this task")
    .option("--session <id>", "every hop of this session")
    .option("--agent <id>", "every hop of this agent, for whomever it acts")
    .option("--principal <id>", "every hop on behalf of this user or service");
}

function withPlace(command: Command): Command {
  return command
    .option("--url <url>", "where a revocationHandler is mounted; the secret comes from HOPGUARD_SECRET")
    .option("--redis <url>", "the Redis that the guards share")
    .option("--namespace <name>", "the namespace that the guards have there");
}

/** @throws {Error} unless exactly one thing is named. */
function targetOf(given: Given): RevocationTarget {
  const [name, ...more] = TARGETS.filter((target) => given[target] !== undefined);
  if (name === undefined || more.length > 0) {
    throw new Error("name exactly one of --task, --session, --agent, --principal");
  }
  return { [name]: given[name] };
}

function describe(target: RevocationTarget): string {
  return Object.entries(target)
    .map(([kind, id]) => `${kind} ${String(id)}`)
    .join();
}

function lineOf({ at, target, reason, author }: Revocation): string {
  const by = author === undefined ? "" : ` by ${author}`;
  return `${at}  ${describe(target)}${by}${reason === undefined ? "" : `: ${reason}`}`;
}
