import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@signet/primitives/formats';
import { generateSigner, type Signer } from '@signet/primitives/keys';
import {
  changeOf,
  describeProposal,
  mergeProposal,
  proposalStatus,
  propose,
  readProposal,
  signProposal,
  type TargetSet,
  TufRepository,
  tufKeyId,
} from '@signet/services/tuf';

const trust = (text: string): TargetSet => new Map([['trusted_root.json', { bytes: utf8(text) }]]);

describe('a ceremony of the trust root', () => {
  let directory: string;
  let holders: Signer[];
  let repository: TufRepository;
  const online = generateSigner('PKIX_ED25519');
  const at = (name: string) => join(directory, name);
  const holder = (index: number): Signer => holders[index] ?? assert.fail();

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-ceremony-'));
    holders = Array.from({ length: 3 }, () => generateSigner('PKIX_ECDSA_P256_SHA_256'));
    repository = await TufRepository.create({
      directory: at('tuf'),
      signers: { online, offline: [] },
      root: { signers: holders, threshold: 2 },
      targets: trust('first'),
    });
  });

  afterEach(() => rm(directory, { recursive: true }));

  const proposeTargets = (text = 'second', name = 'proposal') =>
    propose(at(name), repository.current, { targets: trust(text) }, new Date());

  it('changes the targets once enough holders signed copies of it', async () => {
    const proposal = await proposeTargets();
    assert.match(describeProposal(proposal).join('\n'), /changed: trusted_root\.json, 6 bytes, sha256 [0-9a-f]{64}/);
    assert.deepEqual(await signProposal(proposal, holder(0)), ['targets.json']);
    await assert.rejects(repository.apply(changeOf(proposal)), { code: 'ERR_TUF_SIGNATURES', found: '1' });
    await cp(at('proposal'), at('copy'), { recursive: true });
    const copy = await readProposal(at('copy'));
    await signProposal(copy, holder(2));
    await mergeProposal(proposal, copy);
    const read = await readProposal(at('proposal'));
    assert.deepEqual(
      proposalStatus(read).map(({ count: { signed, threshold } }) => [signed, threshold]),
      [[2, 2]],
    );
    await repository.apply(changeOf(read));
    assert.deepEqual(repository.target('trusted_root.json'), utf8('second'));
    await assert.rejects(repository.apply(changeOf(read)), { code: 'ERR_TUF_PROPOSAL' });
  });

  it('exchanges a key by the holders before and after it', async () => {
    const fresh = generateSigner('PKIX_ED25519');
    const gone = tufKeyId(holder(0));
    const root = { add: [fresh], remove: [gone] };
    const proposal = await propose(at('proposal'), repository.current, { root }, new Date());
    const lines = describeProposal(proposal).join('\n');
    assert.ok(lines.includes(`root: key ${gone} goes`) && lines.includes(`key ${tufKeyId(fresh)} comes`), lines);
    await signProposal(proposal, holder(0));
    await signProposal(proposal, fresh);
    await assert.rejects(repository.apply(changeOf(proposal)), { code: 'ERR_TUF_SIGNATURES' });
    await signProposal(proposal, holder(1));
    // The targets in force were signed by all three, so two of the new holders stand behind them still.
    await repository.apply(changeOf(proposal));
    assert.equal(repository.rootVersion, 2);
    const later = await proposeTargets('third', 'later');
    await assert.rejects(signProposal(later, holder(0)), { code: 'ERR_TUF_SIGNATURES' });
  });

  it('is refused when the targets in force would lose their signatures with the keys', async () => {
    const [first, second] = [generateSigner('PKIX_ED25519'), generateSigner('PKIX_ED25519')];
    const root = { add: [first, second], remove: [0, 1].map((index) => tufKeyId(holder(index))) };
    const proposal = await propose(at('proposal'), repository.current, { root }, new Date());
    for (const signer of [holder(0), holder(1), first, second]) await signProposal(proposal, signer);
    await assert.rejects(repository.apply(changeOf(proposal)), /the targets lacks signatures|lacks signatures/);
    assert.equal(repository.rootVersion, 1);
    const both = await propose(at('both'), repository.current, { root, targets: trust('first') }, new Date());
    for (const signer of [holder(0), holder(1), first, second]) await signProposal(both, signer);
    await repository.apply(changeOf(both));
    assert.equal(repository.rootVersion, 2);
  });

  it('exchanges the online key, and the process that still has the old one publishes nothing more', async () => {
    const other = generateSigner('PKIX_ED25519');
    const proposal = await propose(at('proposal'), repository.current, { root: { online: other } }, new Date());
    for (const signer of holders) await signProposal(proposal, signer);
    await assert.rejects(repository.apply(changeOf(proposal)), { code: 'ERR_TUF_REFUSED' });
    const withNewKey = await TufRepository.open({ directory: at('tuf'), signers: { online: other, offline: [] } });
    await withNewKey.apply(changeOf(proposal));
    assert.equal(withNewKey.rootVersion, 2);
  });

  it('knows only its own holders, its own copies and its own predecessor', async () => {
    const proposal = await proposeTargets();
    await assert.rejects(signProposal(proposal, generateSigner('PKIX_ED25519')), { code: 'ERR_TUF_SIGNATURES' });
    await assert.rejects(mergeProposal(proposal, await proposeTargets('other', 'other')), { code: 'ERR_TUF_PROPOSAL' });
    await assert.rejects(proposeTargets('again'), { code: 'ERR_TUF_PROPOSAL' });
    for (const change of [{}, { root: { threshold: 4 } }, { root: { threshold: 0 } }, { root: { remove: ['ab'] } }]) {
      await assert.rejects(propose(at('none'), repository.current, change, new Date()), { code: 'ERR_TUF_PROPOSAL' });
    }
    await assert.rejects(readProposal(at('nowhere')), { code: 'ERR_TUF_PROPOSAL' });
  });

  it('does not count a signature over something else', async () => {
    const proposal = await proposeTargets();
    for (const signer of holders) await signProposal(proposal, signer);
    const file = at('proposal/targets.json');
    const document = JSON.parse(await readFile(file, 'utf8'));
    document.signed.targets['trusted_root.json'].length += 1;
    await writeFile(file, JSON.stringify(document));
    const changed = await readProposal(at('proposal'));
    await assert.rejects(repository.apply(changeOf(changed)), { code: 'ERR_TUF_SIGNATURES', found: '0' });
  });

  it('is refused when its files are not those that were signed', async () => {
    const proposal = await proposeTargets();
    for (const signer of holders) await signProposal(proposal, signer);
    const [path = ''] = proposal.files.keys();
    const change = changeOf({ ...proposal, files: new Map([[path, utf8('others')]]) });
    await assert.rejects(repository.apply(change), { code: 'ERR_TUF_REFUSED' });
    assert.deepEqual(repository.target('trusted_root.json'), utf8('first'));
  });
});
