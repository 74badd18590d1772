// `npm install` builds the code and leaves the declarations out, which take a minute: what is packed must have them.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

if (!existsSync(new URL("../dist/index.d.ts", import.meta.url))) {
  const { status } = spawnSync("npm", ["run", "build"], {
    cwd: new URL("..", import.meta.url),
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  process.exit(status ?? 1);
}
