import type OpenAI from "openai";
import { jsonBody, requestedModel, type Endpoint, type Exchange } from "./endpoint";
import { isObject, unixSeconds } from "./wire";

/** A PNG of one transparent pixel. */
const onePixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/** `POST /v1/images/generations`, with a JSON body. */
export const imageGenerations: Endpoint = (exchange) => {
  jsonBody(exchange);
  return images(exchange);
};

/** `POST /v1/images/edits`, with a form. */
export const imageEdits: Endpoint = (exchange) => images(exchange);

/** `POST /v1/audio/transcriptions`, with a form: says what file it was given. */
export const audioTranscriptions: Endpoint = (exchange) => {
  requestedModel(exchange);
  const file = exchange.request.fields?.find(({ filename }) => filename !== undefined);
  const text = `A recording of ${file?.bytes ?? 0} bytes.`;
  const format = field(exchange, "response_format") ?? "json";
  return format === "text" ? new Response(`${text}\n`) : Response.json({ text });
};

/** `POST /v1/audio/speech`: a tenth of a second of silence, as WAV. */
export const audioSpeech: Endpoint = (exchange) => {
  requestedModel(exchange);
  return new Response(silence(2400), { headers: { "content-type": "audio/wav" } });
};

function images(exchange: Exchange): Response {
  const count = Number(field(exchange, "n") ?? 1);
  const data = Array.from({ length: count }, () => ({ b64_json: onePixel }));
  return Response.json({ created: unixSeconds(), data } satisfies OpenAI.ImagesResponse);
}

/** A parameter, which stands in the form or in the JSON body. */
function field({ request: { fields, body } }: Exchange, name: string): unknown {
  return (
    fields?.find((candidate) => candidate.name === name)?.value ?? (isObject(body) ? body[name] : undefined)
  );
}

/** 16-bit mono at 24 kHz. */
function silence(samples: number): Buffer<ArrayBuffer> {
  const size = samples * 2;
  const wav = Buffer.alloc(44 + size);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + size, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(24_000, 24);
  wav.writeUInt32LE(48_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(size, 40);
  return wav;
}
