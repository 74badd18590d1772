import { readFileSync } from "node:fs";
import { Converter } from "typedoc";

const { compilerOptions } = JSON.parse(readFileSync(new URL("tsconfig.json", import.meta.url), "utf8"));

/** The API reference, made from the docstrings. An exported name without one, or a link that leads nowhere, fails. */
export default {
  entryPoints: Object.values(compilerOptions.paths).flat(),
  out: "docs/api",
  plugin: ["typedoc-plugin-markdown", nameThrownErrors],
  readme: "none",
  outputFileStrategy: "modules",
  parametersFormat: "table",
  hideGenerator: true,
  // There is no public repository yet that a line could be linked in.
  disableSources: true,
  excludeInternal: true,
  excludeExternals: true,
  // `npm run types` checks, and a test that is being written is no reason to have no reference.
  skipErrorChecking: true,
  treatWarningsAsErrors: true,
  // A part of a type that nobody needs to name may stay inside.
  validation: { notExported: false, invalidLink: true, notDocumented: true },
  preservedTypeAnnotationTags: ["@throws"],
  // Not every property: what `id` is, its interface has said.
  requiredToBeDocumented: ["Class", "Function", "Interface", "TypeAlias", "Variable", "Method"],
};

/** The markdown has no place of its own for what stands in the braces of `@throws {ConfigurationError}`. */
function nameThrownErrors({ converter }) {
  converter.on(Converter.EVENT_RESOLVE, (_, { comment }) => {
    for (const { tag, typeAnnotation, content } of comment?.blockTags ?? []) {
      const name = tag === "@throws" && typeAnnotation?.replace(/^\{(.*)\}$/, "$1");
      if (name) content.unshift({ kind: "code", text: `\`${name}\`` }, { kind: "text", text: " " });
    }
  });
}
