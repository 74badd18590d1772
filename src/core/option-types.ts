import * as z from "zod";

/** Options that are code of the operator's: they are called, and cannot be looked into. */
export const aFunction = <T>() => z.custom<T>((value) => typeof value === "function", "expected a function");
export const objectWith = <T>(...methods: string[]) =>
  z.custom<T>(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === "function"),
    `expected an object with ${methods.join("() and ")}()`,
  );
