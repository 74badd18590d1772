// Runs the README's first code block as a stranger would: the packed tarball in an empty project, the block pasted into a file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inPackedProject } from "./packed-project.mjs";
import { tested } from "./subpaths.mjs";

inPackedProject(({ root, run, write, install }) => {
  const block = /```(?:ts|js)\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1];
  if (block === undefined) throw new Error("README.md has no code block");
  install(tested("cerbos"), tested("openai"));
  write("main.js", block);
  const output = run(process.execPath, ["main.js"]);
  process.stdout.write(output);
  if (!output.includes("policy_denied"))
    throw new Error("the README's first code block did not print a denial");
});
