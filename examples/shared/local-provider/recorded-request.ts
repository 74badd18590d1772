/** One field of a multipart form, in the order it was sent. */
export interface FormField {
  readonly name: string;
  /** The text of a plain field; files have none. */
  readonly value?: string;
  /** The name of an uploaded file. */
  readonly filename?: string;
  /** Size in bytes. */
  readonly bytes: number;
  /** What an uploaded file holds. */
  readonly content?: Uint8Array;
}

/** One request as it reached the provider. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query, as in `/v1/models?limit=20`. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON, else the text; undefined where there was none, and for a form. */
  readonly body?: unknown;
  /** The fields of a multipart form. */
  readonly fields?: readonly FormField[];
}

/** Reads a request to its end. Never rejects for a body that is not what its content type says. */
export async function recordRequest(request: Request): Promise<RecordedRequest> {
  const { pathname, search } = new URL(request.url);
  const head = {
    method: request.method,
    path: pathname + search,
    headers: Object.fromEntries(request.headers),
  };
  const copy = request.clone();
  if (request.headers.get("content-type")?.startsWith("multipart/form-data") === true) {
    const fields = await readForm(request).catch(() => undefined);
    if (fields !== undefined) return { ...head, fields };
  }
  const text = await copy.text();
  return text === "" ? head : { ...head, body: parseJson(text) };
}

async function readForm(request: Request): Promise<FormField[]> {
  const form = await request.formData();
  return Promise.all(
    [...form].map(async ([name, value]) => {
      if (typeof value === "string") return { name, value, bytes: Buffer.byteLength(value) };
      const content = new Uint8Array(await value.arrayBuffer());
      return { name, filename: value.name, bytes: value.size, content };
    }),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
