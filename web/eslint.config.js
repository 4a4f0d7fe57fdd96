import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/**", "packages/sdk/api-report.d.ts", "node_modules/**", "scripts/**", "eslint.config.js"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
    },
  },
  {
    // The SDK has no framework and the layout is pure: neither reaches for the page's.
    files: ["packages/sdk/src/**", "packages/layout/src/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["preact", "preact/*", "@preact/*", "@ringback/*"], message: "no framework here" }] },
      ],
    },
  },
);
