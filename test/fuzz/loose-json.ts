/** JSON as the most forgiving reader might take it: an object is the list of its members, and one that stands there twice is there twice. */
export type Loose = string | number | boolean | null | Loose[] | Members;

export class Members {
  constructor(readonly entries: readonly (readonly [string, Loose])[]) {}

  /** Every member of that name, in whatever case. */
  all(name: string): readonly Loose[] {
    return this.entries.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  }

  get(name: string): Loose | undefined {
    return this.entries.find(([key]) => key === name)?.[1];
  }
}

const TOKEN = /\s*([{}[\]:,]|"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)/y;

/** @throws {SyntaxError} for what is no JSON at all. */
export function readLoosely(text: string): Loose {
  let at = 0;
  const next = (): string => {
    TOKEN.lastIndex = at;
    const [whole = "", token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new SyntaxError(`no JSON at ${at}`);
    at += whole.length;
    return token;
  };
  const peek = (): string => {
    const before = at;
    const token = next();
    at = before;
    return token;
  };
  const list = <T>(end: string, item: () => T): T[] => {
    const items: T[] = [];
    if (peek() === end) {
      next();
      return items;
    }
    do items.push(item());
    while (next() === ",");
    return items;
  };
  const value = (): Loose => {
    const token = next();
    if (token === "[") return list("]", value);
    if (token !== "{") return JSON.parse(token) as Loose;
    const member = (): readonly [string, Loose] => {
      const key = JSON.parse(next()) as string;
      next();
      return [key, value()];
    };
    return new Members(list("}", member));
  };
  return value();
}
