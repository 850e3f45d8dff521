import { toBase64, utf8 } from '@signet/primitives/formats';
import { signingTime } from '../lab.ts';
import { editNote, entryOf, type Kind, material, proofOf, v2, withoutPromise } from './kind.ts';

/** What a log says. */
export const logs: Kind[] = [
  { what: 'a proof and a timestamp, without a promise', recipe: withoutPromise },
  {
    what: 'a time that nobody signed, beside a timestamp',
    recipe: withoutPromise,
    edit: (bundle) => Object.assign(entryOf(bundle), { integratedTime: '1' }),
  },
  {
    what: 'a time that nobody signed in Rekor v2',
    recipe: v2,
    edit: (bundle) => Object.assign(entryOf(bundle), { integratedTime: '1' }),
  },
  {
    what: 'a time that nobody signed, and no other',
    recipe: { integratedTime: 'none' },
    edit: (bundle) => Object.assign(entryOf(bundle), { integratedTime: '1772366400' }),
    code: 'ERR_TIMESTAMP_MISSING',
  },
  {
    what: 'further lines in its checkpoint',
    recipe: { checkpoint: (text) => `${text}Timestamp: 1675209600000000000\nmore\n` },
  },
  {
    what: 'signatures of unknown keys first and last',
    edit: (bundle) =>
      editNote(bundle, (note) => {
        const [text = '', own = ''] = note.split('\n\n');
        const unknown = (name: string) => `— ${name} ${toBase64(utf8(`some${name}`))}\n`;
        return `${text}\n\n${unknown('first.example')}${own}${unknown('rekor.example')}`;
      }),
  },
  {
    what: 'no signature under its checkpoint',
    edit: (bundle) => editNote(bundle, (note) => `${note.split('\n\n')[0]}\n\n`),
    code: 'ERR_NOTE_FORMAT',
  },
  {
    what: 'no blank line in its checkpoint',
    edit: (bundle) => editNote(bundle, (note) => note.replace('\n\n', '\n')),
    code: 'ERR_NOTE_FORMAT',
  },
  {
    what: 'a checkpoint with another key hint',
    edit: (bundle) =>
      editNote(bundle, (note) =>
        note.replace(
          / (\S+)\n$/,
          (_, line) => ` ${toBase64(new Uint8Array([1, 2, 3, 4, ...Buffer.from(line, 'base64').subarray(4)]))}\n`,
        ),
      ),
    code: 'ERR_CHECKPOINT_SIGNATURE',
  },
  {
    what: "a checkpoint signed under another's name",
    edit: (bundle) => editNote(bundle, (note) => note.replace('— rekor.example', '— other.example')),
    code: 'ERR_CHECKPOINT_SIGNATURE',
  },
  {
    what: 'a checkpoint of which the signed text was changed',
    edit: (bundle) => editNote(bundle, (note) => note.replace('\n3\n', '\n4\n')),
    code: 'ERR_CHECKPOINT_SIGNATURE',
  },
  { what: 'an empty checkpoint', edit: (bundle) => editNote(bundle, () => ''), code: 'ERR_NOTE_FORMAT' },
  {
    what: 'a checkpoint without a root hash',
    recipe: { checkpoint: (text) => `${text.split('\n').slice(0, 2).join('\n')}\n` },
    code: 'ERR_CHECKPOINT_FORMAT',
  },
  {
    what: 'a checkpoint with another root',
    recipe: { checkpoint: (text) => text.replace(/\n[^\n]+\n$/, `\n${toBase64(new Uint8Array(32))}\n`) },
    code: 'ERR_CHECKPOINT_MISMATCH',
  },
  {
    what: 'a checkpoint of another size',
    recipe: { checkpoint: (text) => text.replace('\n3\n', '\n4\n') },
    code: 'ERR_CHECKPOINT_MISMATCH',
  },
  {
    what: 'a checkpoint with a size that is written twice as long',
    recipe: { checkpoint: (text) => text.replace('\n3\n', '\n03\n') },
    code: 'ERR_CHECKPOINT_FORMAT',
  },
  {
    what: 'a proof with another root',
    edit: (bundle) => Object.assign(proofOf(bundle), { rootHash: toBase64(new Uint8Array(32)) }),
    code: 'ERR_INCLUSION_PROOF',
  },
  {
    what: 'a changed hash in its proof',
    edit: (bundle) => proofOf(bundle).hashes.splice(0, 1, toBase64(new Uint8Array(32))),
    code: 'ERR_INCLUSION_PROOF',
  },
  {
    what: 'a hash too many in its proof',
    edit: (bundle) => proofOf(bundle).hashes.push(toBase64(new Uint8Array(32))),
    code: 'ERR_INCLUSION_PROOF',
  },
  { what: 'hashes in another order', edit: (bundle) => proofOf(bundle).hashes.reverse(), code: 'ERR_INCLUSION_PROOF' },
  {
    what: 'an index outside of the tree',
    edit: (bundle) => Object.assign(proofOf(bundle), { logIndex: '3' }),
    code: 'ERR_INCLUSION_PROOF',
  },
  {
    what: 'a promise for another index',
    edit: (bundle) => Object.assign(entryOf(bundle), { logIndex: '1002' }),
    code: 'ERR_LOG_PROMISE',
  },
  {
    what: 'a promise for another time',
    edit: (bundle) => Object.assign(entryOf(bundle), { integratedTime: '1772366401' }),
    code: 'ERR_LOG_PROMISE',
  },
  {
    what: 'a promise that is no signature',
    edit: (bundle) => Object.assign(entryOf(bundle).inclusionPromise, { signedEntryTimestamp: 'AAAA' }),
    code: 'ERR_LOG_PROMISE',
  },
  {
    what: 'an entry of a log that nobody trusts',
    edit: (bundle) => Object.assign(entryOf(bundle).logId, { keyId: toBase64(new Uint8Array(32)) }),
    code: 'ERR_LOG_UNTRUSTED',
  },
  {
    what: 'an entry that names another trusted log',
    recipe: v2,
    edit: (bundle, root) => Object.assign(entryOf(bundle).logId, { keyId: root.tlogs[0]?.logId.keyId }),
    code: 'ERR_CHECKPOINT_SIGNATURE',
  },
  {
    what: 'another body',
    edit: (bundle) => Object.assign(entryOf(bundle), { canonicalizedBody: toBase64(utf8('{}')) }),
    code: 'ERR_LOG_PROMISE',
  },
  {
    what: 'another kind than its body',
    edit: (bundle) => Object.assign(entryOf(bundle).kindVersion, { kind: 'dsse' }),
    code: 'ERR_LOG_ENTRY_MISMATCH',
  },
  {
    what: 'another version than its body',
    edit: (bundle) => Object.assign(entryOf(bundle).kindVersion, { version: '0.0.2' }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'no entry',
    edit: (bundle) => Object.assign(material(bundle), { tlogEntries: [] }),
    code: 'ERR_TIMESTAMP_MISSING',
  },
  {
    what: 'no entry, and a timestamp',
    recipe: { timestamp: signingTime },
    edit: (bundle) => delete material(bundle).tlogEntries,
    code: 'ERR_LOG_MISSING',
  },
  { what: 'a message logged as an envelope', recipe: { entry: 'dsse 0.0.1' }, code: 'ERR_LOG_ENTRY_MISMATCH' },
];
