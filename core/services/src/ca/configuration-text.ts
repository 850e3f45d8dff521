import { SignetError } from '@signet/primitives/formats';
import { parseDocument } from 'yaml';

const maxTextLength = 1024 * 1024;
/** Bounds what nested aliases can expand to. */
const maxAliases = 1000;

/**
 * The value of a configuration file in YAML or JSON.
 *
 * Fulcio's own config.yaml uses aliases as mapping keys with the colon directly behind (`*github-type:`). In YAML 1.2
 * the colon belongs to the alias's name; only the parser that Fulcio uses is lenient. Where the strict reading fails,
 * such keys are read as they were meant.
 *
 * @throws ERR_INPUT_TOO_LARGE above 1 MiB, ERR_ISSUER_CONFIG with line and column
 */
export function parseConfigurationText(text: string): unknown {
  if (text.length > maxTextLength) {
    throw new SignetError(
      'ERR_INPUT_TOO_LARGE',
      `The issuer configuration is longer than ${maxTextLength} characters.`,
    );
  }
  let document = parse(text);
  if (document.problem !== undefined) {
    const lenient = text.replace(/^(\s*)\*([\w-]+):(?=\s|$)/gm, '$1*$2 :');
    if (lenient !== text) document = parse(lenient);
  }
  if (document.problem !== undefined) {
    throw new SignetError(
      'ERR_ISSUER_CONFIG',
      `The issuer configuration is not valid YAML or JSON: ${document.problem}`,
      {
        cause: document.cause,
      },
    );
  }
  return document.value;
}

function parse(text: string): { value?: unknown; problem?: string; cause?: unknown } {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) return { problem: error.message, cause: error };
  try {
    return { value: document.toJS({ maxAliasCount: maxAliases }) };
  } catch (cause) {
    return { problem: cause instanceof Error ? cause.message : String(cause), cause };
  }
}
