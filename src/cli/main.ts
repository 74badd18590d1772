#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { version } from "../../package.json";
import { HopguardError } from "../core/errors";
import { addRevocationCommands } from "./revocation-commands";

const program = new Command("hopguard")
  .description("Policy enforcement for AI agents.")
  .version(version)
  .exitOverride();

addRevocationCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said already what was wrong.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode;
  } else {
    console.error(`error: ${explain(error)}`);
    process.exitCode = 1;
  }
}

/** Of a connection that fails, only the cause says why. */
function explain(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return explain(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause === undefined || HopguardError.isInstance(error) ? message : `${message}: ${explain(cause)}`;
}
