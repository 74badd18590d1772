import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** What users import: each subpath's full name, and the name of its files in dist. */
export const subpaths = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([subpath]) => ({
    name: subpath.replace(/^\./, manifest.name),
    file: subpath === "." ? "index" : subpath.slice("./".length),
  }));

const ranges = { ...manifest.dependencies, ...manifest.devDependencies };

/** Another package as `npm install` takes it, in the range that is tested here. */
export const tested = (name) => `${name}@${ranges[name]}`;
