/** Makes a text when its turn has come: by then, everything before it has been decided and written. */
export type Write = () => string | Promise<string>;

interface Place {
  write?: Write;
}

/** What is to be written, in the order of the events it comes from. A place that is kept for a tool call holds up what comes behind it. */
export class OrderedWrites {
  #places: Place[] = [];

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  /** Text that goes on as it is. */
  pass(text: string): void {
    this.add(() => text);
  }

  add(write: Write): void {
    this.#places.push({ write });
  }

  /** Keeps a place, which is filled later. */
  reserve(): (write: Write) => void {
    const place: Place = {};
    this.#places.push(place);
    return (write) => (place.write = write);
  }

  /** Gives up the places that were never filled, so that what waits behind them goes on. */
  abandon(): void {
    this.#places = this.#places.filter(({ write }) => write !== undefined);
  }

  /** The text of everything up to the first place that is not filled yet. */
  async flush(): Promise<string> {
    let text = "";
    for (let [place] = this.#places; place?.write; [place] = this.#places) {
      this.#places.shift();
      text += await place.write();
    }
    return text;
  }
}
