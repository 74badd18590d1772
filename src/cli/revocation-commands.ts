import { InvalidArgumentError, Option, type Command } from "commander";
import * as z from "zod";
import { identifier } from "../core/principal";
import { cleanText } from "../core/text";
import type { Revocation, RevocationDetails, RevocationTarget } from "../index";
import { withKillSwitch, type Place } from "./kill-switch";

const TARGETS = {
  task: "every hop of this task",
  session: "every hop of this session",
  agent: "every hop of this agent, for whomever it acts",
  principal: "every hop on behalf of this user or service",
  delegation: "every hop by this delegation and by those below it",
  login: "every hop of whoever came by this login at an identity provider",
};

type Given = RevocationTarget &
  RevocationDetails & {
    readonly url?: string;
    readonly redis?: string;
    readonly namespace?: string;
    readonly json?: boolean;
  };

/** `revoke`, `restore` and `revocations`. */
export function addRevocationCommands(program: Command): void {
  const revoke = program
    .command("revoke")
    .description("withdraw authority: from now on every hop of it is denied, in every process")
    .option("--reason <text>", "why, for the record")
    .option("--author <name>", "who, for the record");
  withPlace(withTarget(revoke)).action(async (given: Given, command: Command) => {
    const target = targetOf(given, command);
    const { reason, author } = given;
    const details = { ...(reason !== undefined && { reason }), ...(author !== undefined && { author }) };
    await withKillSwitch(placeOf(given, command), (killSwitch) => killSwitch.revoke(target, details));
    console.log(`revoked ${describe(target)}`);
  });

  const restore = program.command("restore").description("take a revocation back");
  withPlace(withTarget(restore)).action(async (given: Given, command: Command) => {
    const target = targetOf(given, command);
    await withKillSwitch(placeOf(given, command), (killSwitch) => killSwitch.restore(target));
    console.log(`restored ${describe(target)}`);
  });

  const list = program
    .command("revocations")
    .description("list what is revoked, the newest first")
    .option("--json", "one line of JSON each");
  withPlace(list).action(async (given: Given, command: Command) => {
    const revocations = await withKillSwitch(placeOf(given, command), (killSwitch) => killSwitch.list());
    for (const revocation of revocations) {
      console.log(given.json ? JSON.stringify(revocation) : lineOf(revocation));
    }
    if (revocations.length === 0 && !given.json) console.log("nothing is revoked");
  });
}

function withTarget(command: Command): Command {
  for (const [name, meaning] of Object.entries(TARGETS))
    command.option(`--${name} <id>`, meaning, anId(name));
  return command;
}

/** Of an option that is given twice Commander keeps the last: the other would not be revoked. */
function anId(name: string): (given: string, before: string | undefined) => string {
  // A login names an issuer and a user of its, and may be longer than an id.
  const id = name === "login" ? z.string().min(1) : identifier;
  return (given, before) => {
    if (before !== undefined) throw new InvalidArgumentError("Name one at a time.");
    const { success, error } = id.safeParse(given);
    if (!success) throw new InvalidArgumentError(error.issues.map(({ message }) => message).join(". "));
    return given;
  };
}

function targetOf(given: Given, command: Command): RevocationTarget {
  const [[name, id] = [], ...more] = Object.entries(given).filter(([name]) => Object.hasOwn(TARGETS, name));
  if (name === undefined || more.length > 0) {
    const names = Object.keys(TARGETS).map((name) => `--${name}`);
    command.error(`error: name exactly one of ${names.join(", ")}`);
  }
  return { [name]: id as string };
}

// Environment variables, because a command line is there for every user of the machine to read.
function withPlace(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "where a revocationHandler is mounted; its secret comes from HOPGUARD_SECRET")
        .env("HOPGUARD_URL")
        .conflicts(["redis", "namespace"]),
    )
    .addOption(new Option("--redis <url>", "the Redis that the guards share").env("HOPGUARD_REDIS"))
    .option("--namespace <name>", "the namespace of their state there, unless it is hopguard");
}

function placeOf({ url, redis, namespace }: Given, command: Command): Place {
  if (redis !== undefined) return { redis, namespace };
  if (url === undefined) command.error("error: say where the guards are told: --url or --redis");
  if (!/^https?:/.test(url) || !URL.canParse(url)) command.error("error: --url: expected an http(s) URL");
  const { username, password } = new URL(url);
  // So would the error for an address that cannot be asked.
  if (username || password)
    command.error("error: --url: credentials do not belong in it; see HOPGUARD_SECRET");
  const { HOPGUARD_SECRET: secret } = process.env;
  if (!secret) command.error("error: set HOPGUARD_SECRET to the secret of the revocationHandler");
  // The error for a header that cannot be sent would show it.
  if (!/^[\x21-\x7e]+$/.test(secret)) command.error("error: HOPGUARD_SECRET: expected ASCII without spaces");
  return { url, secret };
}

function describe(target: RevocationTarget): string {
  return Object.entries(target)
    .map(([kind, id]) => `${kind} ${cleanText(String(id))}`)
    .join();
}

/** Whoever may revoke chose the words, and a terminal obeys some characters. */
function lineOf({ at, target, issued_before, reason, author }: Revocation): string {
  const some = issued_before === undefined ? "" : ` issued before ${cleanText(issued_before)}`;
  const by = author === undefined ? "" : ` by ${cleanText(author)}`;
  const why = reason === undefined ? "" : `: ${cleanText(reason, 1000)}`;
  return `${cleanText(at)}  ${describe(target)}${some}${by}${why}`;
}
