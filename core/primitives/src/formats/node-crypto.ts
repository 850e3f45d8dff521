type NodeCrypto = typeof import('node:crypto');

let loaded: NodeCrypto | undefined;

/**
 * `node:crypto`, from when it is first needed. Loading it takes as long as loading the verifier, and a command that could verify
 * does not always: not where all verdicts are known.
 */
export function nodeCrypto(): NodeCrypto {
  loaded ??= process.getBuiltinModule('node:crypto');
  return loaded;
}
