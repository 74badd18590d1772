import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { shared } from "../../src/state/shared";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

it("shares a value for as long as somebody holds it, and no longer", async () => {
  const values = shared<{ readonly made: number }>();
  let made = 0;
  const make = () => ({ made: ++made });
  const held = values("held", make);
  for (let index = 0; index < 1000; index++) values(`let go ${index}`, make);
  for (let index = 0; index < 3; index++) {
    await turn();
    collect();
  }
  expect(values("held", make)).toBe(held);
  expect(values("let go 7", make)).toEqual({ made: 1002 });
  // Whoever asks again while the first is being forgotten keeps the second.
  const again = values("let go 7", make);
  await turn();
  expect(values("let go 7", make)).toBe(again);
});
