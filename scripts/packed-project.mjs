import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Hands over an empty project as a stranger would have it, with the package installed from the tarball of what was built last, and
 * removes it afterwards.
 */
export function inPackedProject(work) {
  if (!existsSync(join(root, "dist/index.d.ts"))) throw new Error("there is nothing to pack: npm run build");
  const folder = mkdtempSync(join(tmpdir(), "hopguard-packed-"));
  const run = (command, args, cwd = folder) => {
    try {
      return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    } catch (error) {
      // The compiler says on its standard output what is wrong.
      process.stdout.write(error.stdout ?? "");
      throw error;
    }
  };
  const write = (file, text) => writeFileSync(join(folder, file), text);
  const install = (...packages) =>
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages]);
  try {
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
    const [{ filename }] = JSON.parse(run("npm", pack, root));
    write("package.json", JSON.stringify({ private: true, type: "module" }));
    install(`./${filename}`);
    return work({ root, folder, run, write, install });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
