import { importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The rooms of src/ and what each may import; see CONTRIBUTING.md. */
const rooms = [
  { target: "./src/core", from: "./src", except: ["./core"] },
  { target: "./src/pdp", from: "./src", except: ["./core", "./pdp"] },
  { target: "./src/audit", from: "./src", except: ["./core", "./audit"] },
  { target: "./src/state", from: "./src", except: ["./core", "./state"] },
  { target: "./src/adapters", from: "./src/pdp" },
  { target: "./src/adapters", from: "./src/audit" },
  { target: "./src/adapters", from: "./src/state" },
  { target: "./src/enrichment", from: "./src", except: ["./core", "./enrichment", "./index.ts"] },
  { target: "./src/identity", from: "./src", except: ["./core", "./identity", "./index.ts"] },
  { target: "./src/revocations", from: "./src", except: ["./core", "./revocations", "./index.ts"] },
  { target: "./src/cli", from: "./src", except: ["./core", "./state", "./cli", "./index.ts"] },
];

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "**/node_modules/", "test/fixtures/"] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
    plugins: { "import-x": importX },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "import-x/no-restricted-paths": ["error", { zones: rooms }],
      "no-console": "error",
    },
  },
  {
    files: ["src/core/**", "src/adapters/**", "src/enrichment/**", "src/revocations/**"],
    // Express runs on Node.
    ignores: ["src/adapters/express/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["node:*"], message: "this runs where there is no Node." }] },
      ],
    },
  },
  { files: ["examples/**", "test/**", "scripts/**", "src/cli/**"], rules: { "no-console": "off" } },
  { files: ["**/*.js", "**/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
);
