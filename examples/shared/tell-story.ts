import pc from "picocolors";

/** Says a line of what happens. */
export type Tell = (line: string) => void;

/** A chapter of a story: it plays, and throws when anything ends otherwise than told. */
export interface Chapter<Stage> {
  readonly title: string;
  play(stage: Stage, tell: Tell): Promise<void>;
}

/** How a story is told while it plays. */
export interface Telling {
  /** Begins the next chapter. */
  readonly chapter: (title: string) => void;
  readonly tell: Tell;
}

export interface Story<Stage> {
  readonly title: string;
  /** How to read what is told. */
  readonly legend?: string;
  /** Opens everything that the story plays on. It is stopped when the story has ended, in whatever way. */
  readonly open: () => Promise<Stage>;
  /** Plays it all, and throws when anything ends otherwise than told. Resolves to the closing words. */
  readonly play: (stage: Stage, telling: Telling) => Promise<string>;
}

/** Plays a story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export async function tellStory<Stage extends { stop(): Promise<void> }>({
  title,
  legend,
  open,
  play,
}: Story<Stage>): Promise<0 | 1> {
  console.log(pc.bold(`\n hopguard: ${title}\n`));
  if (legend !== undefined) console.log(legend);
  const stage = await open();
  let chapter = 0;
  try {
    const closing = await play(stage, {
      chapter: (heading) => console.log(`\n ${pc.bold(`${++chapter}. ${heading}`)}`),
      tell: (line) => console.log(`   ${pc.cyan(line)}`),
    });
    console.log(`\n ${pc.green(closing)}\n`);
    return 0;
  } catch (error) {
    console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
    return 1;
  } finally {
    await stage.stop();
  }
}

/** How a story plays that is a list of chapters. */
export const chapterByChapter =
  <Stage>(chapters: readonly Chapter<Stage>[]): Story<Stage>["play"] =>
  async (stage, { chapter, tell }) => {
    for (const each of chapters) {
      chapter(each.title);
      await each.play(stage, tell);
    }
    return "The story ended as told.";
  };
