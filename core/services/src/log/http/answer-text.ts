/** Stands for the checkpoint in an answer. No base64, number or digest can look like it. */
export const checkpointMark = '@checkpoint@';

/**
 * Writes answers with a checkpoint as JSON of ASCII alone. A checkpoint has a dash that is none of Latin-1, and one such character
 * makes V8 keep the whole answer in two bytes a character and translate it when it is sent, which costs more than all else about
 * answering. The checkpoint is the same for all entries of a batch, so its JSON is kept.
 */
export class AnswerText {
  #checkpoint = '';
  #json = '""';

  /** @param answer with {@link checkpointMark} once, where the checkpoint belongs */
  write(answer: object, checkpoint: string): string {
    if (checkpoint !== this.#checkpoint) {
      this.#checkpoint = checkpoint;
      this.#json = asciiJson(checkpoint);
    }
    const text = JSON.stringify(answer);
    const start = text.indexOf(`"${checkpointMark}"`);
    return `${text.slice(0, start)}${this.#json}${text.slice(start + checkpointMark.length + 2)}`;
  }
}

function asciiJson(text: string): string {
  const escaped = JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  // Through bytes: what was made out of a string of two bytes a character stays one.
  return Buffer.from(escaped, 'latin1').toString('latin1');
}
