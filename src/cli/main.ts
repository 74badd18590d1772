#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { addRevocationCommands } from "./revocation-commands";

const program = new Command("hopguard")
  .description("Policy enforcement for AI agents.")
  .showHelpAfterError()
  .exitOverride();

addRevocationCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  console.error((error as Error).message);
  process.exitCode = 1;
}
