#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { version } from "../../package.json";
import { ConfigurationError, HopguardError } from "../core/errors";
import { cleanText } from "../core/text";
import { addRevocationCommands } from "./revocation-commands";

const program = new Command("hopguard")
  .description("Policy enforcement for AI agents.")
  .version(version)
  .exitOverride();

addRevocationCommands(program);

/** Nothing was attempted. 1 says that it was, and that nothing proves it. */
const USED_WRONGLY = 2;

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said already what was wrong.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USED_WRONGLY;
  } else {
    // A server that is none of ours may have chosen the words.
    console.error(`error: ${cleanText(explain(error), 1000)}`);
    process.exitCode = ConfigurationError.isInstance(error) ? USED_WRONGLY : 1;
  }
}

/** Of a connection that fails, only the cause says why. */
function explain(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return explain(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause === undefined || HopguardError.isInstance(error) ? message : `${message}: ${explain(cause)}`;
}
