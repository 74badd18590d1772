import type { Settings } from "./options";

/** What one start adds to the settings. */
export interface Endpoint {
  readonly port: number;
  /** A web origin that nobody else knows; see `answerFrom`. */
  readonly origin: string;
}

/** The PDP's configuration file, in the part of YAML that is JSON. */
export function pdpConfig(settings: Settings, { port, origin }: Endpoint): string {
  const config = {
    server: {
      httpListenAddr: `127.0.0.1:${port}`,
      // In the working directory, since the path of a socket may have no more than about 100 characters.
      grpcListenAddr: "unix:grpc.sock",
      // By default any web page that the user opens may ask a local PDP.
      cors: { allowedOrigins: [origin] },
    },
    storage: {
      driver: "disk",
      disk: { directory: settings.policies, watchForChanges: settings.watch },
    },
    schema: { enforcement: settings.schemaEnforcement },
    audit: { enabled: false },
    telemetry: { disabled: true },
    // Before 0.55 the key does not exist, and unknown keys keep the PDP from starting.
    ...(settings.strict && { engine: { strictEvaluation: true } }),
  };
  // `$NAME` in a value, such as a folder's name, would be read as a variable of the environment.
  return JSON.stringify(config).replaceAll("$", () => "$$");
}
