const PLACEHOLDER = /\{(\w+)\}/g;

const TEMPLATE = /^https?:\/\/[^/?#@{}]+(?:[/?](?:[^{}]|\{\w+\})*)?$/i;

/** Whether it is a URL whose placeholders, such as `{id}`, stand in the path or the query: none may say which host is asked. */
export const isTemplate = (text: string): boolean => TEMPLATE.test(text) && URL.canParse(text);

export const hasPlaceholders = (template: string): boolean => template.includes("{");

/** @throws {Error} for a placeholder without a value, or with one that could lead elsewhere. */
export function fill(template: string, values: Readonly<Record<string, unknown>>): string {
  return template.replace(PLACEHOLDER, (_, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (!isSegment(value)) throw new Error(`there is no usable value for {${name}}`);
    return encodeURIComponent(value);
  });
}

/**
 * A model wrote it. To URL parsers `.` and `..` are steps, encoded or not, and some servers take an encoded slash for a slash: `../admin` must not
 * become an address.
 */
function isSegment(value: unknown): value is string | number {
  if (typeof value === "number") return true;
  return typeof value === "string" && value.split(/[/\\]/).every((part) => !/^\.*$/.test(part));
}
