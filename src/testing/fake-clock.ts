/** A clock for the guard's option `clock`. It stands still until it is moved. */
export interface FakeClock {
  (): Date;
  /** Moves it on, in milliseconds. */
  advance(milliseconds: number): void;
}

/** Makes a clock that begins at the given time, by default the start of 2026 in UTC. */
export function fakeClock(start: string | Date = "2026-01-01T00:00:00.000Z"): FakeClock {
  let now = new Date(start).getTime();
  return Object.assign(() => new Date(now), {
    advance(milliseconds: number) {
      now += milliseconds;
    },
  });
}
