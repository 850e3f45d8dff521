/** What the quickstart shows of other programs' output: the sentence that matters, without the machine's own words around it. */

/** Letters of a digest that are shown: enough to tell two apart. */
const digestLetters = 12;

/** `name@version`, who signed it and when, from a line of `signet ci`; the issuer and the log are the instance's own. */
export function describeVerified(line: string): string {
  return line
    .trim()
    .replace(/^✔ /, '')
    .replace(/ \(https?:\/\/[^)]*\)/, '')
    .replace(/log \S+ #(\d+)/, 'entry $1 of the log')
    .replace(/\s{2,}/g, ', ');
}

/** Why npm or signet refused, with what was expected and found. */
export function reasonOf(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^npm (?:error|ERR!) ?/, '').trim());
  const at = lines.findIndex((line) => /\b(403|422)\b.*-|TP\d{3}|status \d{3}|ERR_/.test(line));
  if (at === -1) return lines.filter(Boolean).at(-1) ?? '';
  const rest = lines.slice(at + 1);
  // The facts of this violation end where the next one begins.
  const end = rest.findIndex((line) => !/^(expected|found): /.test(line));
  const facts = rest.slice(0, end === -1 ? rest.length : end).map((line) => line.replace(/:\s+/, ' '));
  const sentence = plain(lines[at] ?? '');
  // Some sentences say both already.
  const untold = facts.filter((fact) => !sentence.includes(fact.replace(/^(?:expected|found) /, '')));
  return plain([sentence, ...untold].join(', '));
}

/** A sentence without the request that it answers, digests in full, and what points to another page. */
export function plain(sentence: string): string {
  return sentence
    .replace(/^signet: /, '')
    .replace(/^✖ /, '')
    .replace(/^(?:\d{3} )?(\d{3}) \w+ - [A-Z]+ \S+ - /, '$1: ')
    .replace(/^https?:\/\/\S+ refuses publishing \S+ \(status (\d{3})\): /, '$1: ')
    .replace(/ \[ERR_[A-Z_]+\]/, '')
    .replace(/ \(issuer https?:\/\/[^)]*\)/, '')
    .replace(/(; nothing was signed)\. .*$/, '$1')
    .replace(/\bthe attestation https:\/\/slsa\.dev\/provenance\/v1\b/, 'the provenance')
    .replace(/\b(sha512|sha256) ([0-9a-f]{64,128})\b/g, (_all, name, hex) => `${name} ${hex.slice(0, digestLetters)}…`)
    .replace(/\s{2,}/g, ' ');
}

/** The checks of a publish, which name each service by its URL, in words. */
export function describeCheck(check: string): string {
  const services: Readonly<Record<string, string>> = { tsa: 'timestamp authority', ct: 'certificate log' };
  return check.replace(/https?:\/\/[^/\s]+\/-\/signet\/(\w+)[^\s;]*/g, (_url, name) => `the ${services[name] ?? name}`);
}

/** Breaks text at spaces into lines of at most `width` letters; longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
