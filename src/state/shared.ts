/**
 * One value a name, for as long as somebody holds it: what is taken up again by its name goes on, and what nobody can use any more takes no
 * memory.
 */
export function shared<T extends object>(): (name: string, make: () => T) => T {
  const held = new Map<string, WeakRef<T>>();
  const forgotten = new FinalizationRegistry<string>((name) => {
    // The name may have a new value by now.
    if (held.get(name)?.deref() === undefined) held.delete(name);
  });
  return (name, make) => {
    const known = held.get(name)?.deref();
    if (known) return known;
    const value = make();
    held.set(name, new WeakRef(value));
    forgotten.register(value, name);
    return value;
  };
}
