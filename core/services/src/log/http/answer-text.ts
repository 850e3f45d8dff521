/**
 * Writes answers with a checkpoint as JSON of ASCII alone. A checkpoint has a dash that is none of Latin-1, and one such character
 * makes V8 keep the whole answer in two bytes a character and translate it when it is sent, which costs more than all else about
 * answering. The checkpoint is the same for all entries of a batch, so its JSON is kept.
 */
export class CheckpointText {
  #checkpoint = '';
  #json = '""';

  /** The checkpoint as a string of JSON, in ASCII. */
  write(checkpoint: string): string {
    if (checkpoint !== this.#checkpoint) {
      this.#checkpoint = checkpoint;
      this.#json = asciiJson(checkpoint);
    }
    return this.#json;
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

/** An array of JSON of strings that need no escapes: base64, hexadecimal, numbers. */
export function plainArray(items: readonly string[]): string {
  return items.length === 0 ? '[]' : `["${items.join('","')}"]`;
}
