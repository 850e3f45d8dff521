/** A fenced block of a Markdown document that is a part of what the document tells its reader to do. */
export interface Block {
  /** `run` to its end; `server` until the document ends; `file` is written, to `name`. */
  readonly kind: 'run' | 'server' | 'file';
  readonly name?: string;
  readonly text: string;
  /** The heading that it stands under. */
  readonly section: string;
  /** Line of the document, from 1, where the text begins. */
  readonly line: number;
}

const fence = /^```(\S*)\n(.*?)^```$/gms;
const directive = /<!-- (server|file: (\S+)|not run: [^>]+?) -->\s*$/;

/**
 * The blocks that a test does in order, as a reader would. Blocks of the language `sh` are run. A comment before a block says
 * otherwise: `<!-- server -->`, `<!-- file: NAME -->`, or `<!-- not run: REASON -->`.
 *
 * @throws Error for a block of commands in another language (`bash`, `console`), which nothing would run
 */
export function readBlocks(document: string): Block[] {
  return [...document.matchAll(fence)].flatMap((match): Block[] => {
    const [, language = '', text = ''] = match;
    const before = document.slice(0, match.index);
    const line = before.split('\n').length + 1;
    const section = /^.*^## ([^\n]*)$/ms.exec(before)?.[1] ?? '';
    const [, said, name] = directive.exec(before) ?? [];
    if (said?.startsWith('not run')) return [];
    if (name !== undefined) return [{ kind: 'file', name, text, section, line }];
    if (language === 'sh') return [{ kind: said === 'server' ? 'server' : 'run', text, section, line }];
    if (/^(?:bash|console|shell|zsh|)$/.test(language)) throw new Error(`line ${line}: a block of no known language`);
    return [];
  });
}

const prelude = `set -euo pipefail
servers=()
block="the beginning"
answers() {
  local status=''
  exec 3<> "/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET /-/ping HTTP/1.0\\r\\n\\r\\n' >&3
  read -r status <&3 || true
  exec 3>&-
  [[ $status == HTTP/* && $status != *' 503 '* ]]
}
await_answer() {
  until (answers "$1") 2> /dev/null; do
    for server in "\${servers[@]}"; do kill -0 "$server"; done
    sleep 0.1
  done
}
finish() {
  code=$?
  for server in "\${servers[@]}"; do kill "$server" && wait "$server" || true; done
  [ "$code" = 0 ] || echo "$block failed with $code" >&2
  exit "$code"
}
trap finish EXIT
`;

/**
 * One bash script that does the blocks in order and stops at the first command that fails, naming its block on standard error.
 *
 * @param ports where the servers of the document listen; each must answer before the next block begins
 */
export function scriptOf(blocks: readonly Block[], ports: readonly number[]): string {
  const answering = ports.map((port) => `await_answer ${port}\n`);
  const parts = blocks.map(({ kind, name, text, line }) => {
    const begin = `block="the block at line ${line}"\n`;
    if (kind === 'file') return `${begin}cat > ${name} <<'END_OF_THE_FILE'\n${text}END_OF_THE_FILE\n`;
    // The subshell becomes the server, so that the signal at the end reaches it.
    if (kind === 'server') return `${begin}(\nexec ${text}) &\nservers+=($!)\n${answering.join('')}`;
    return begin + text;
  });
  return prelude + parts.join('');
}
