import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LoadedTrust, TrustReference } from '@signet/client/trust/tuf';
import { inert, SignetError } from '@signet/primitives/formats';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { add, init } from './trust/add.ts';
import { type NamedRoot, openStore, policyOption, readRoots } from './trust/roots.ts';
import { accept } from './trust-accept.ts';

const soon = 30 * 86_400_000;

const list: Command = {
  name: 'trust list',
  summary: 'the trust roots of the policy: what they own, how fresh they are, when they end',
  usage: 'trust list [--policy FILE]',
  examples: [{ command: 'signet trust list', explanation: 'without asking anybody' }],
  options: policyOption,
  async run(context, values, positionals) {
    if (positionals.length > 0) throw new SignetError('ERR_USAGE', 'signet trust list takes flags only');
    const store = await openStore(context);
    const roots = await readRoots(context, values, []);
    const known = await Promise.all(
      roots.map(async (root) => ({ root, trust: root.reference && (await store.peek(root.reference)) })),
    );
    if (context.json) {
      context.printJson({ format: 1, roots: known.map(({ root, trust }) => facts(root, trust)) });
      return exitCodes.ok;
    }
    for (const { root, trust } of known) {
      const owns = root.packages?.map((pattern) => inert(pattern)).join(', ') ?? 'every other name';
      context.print(`${inert(root.name)} (${root.kind}, ${inert(root.place)}): owns ${owns}`);
      for (const line of describe(root, trust)) context.print(`  ${line}`);
    }
    return exitCodes.ok;
  },
};

const refresh: Command = {
  name: 'trust refresh',
  summary: 'ask the repositories of all trust roots now',
  usage: 'trust refresh [NAME]… [--policy FILE]',
  examples: [{ command: 'signet trust refresh', explanation: 'before going offline' }],
  options: policyOption,
  async run(context, values, positionals) {
    const store = await openStore(context);
    const done = [];
    for (const root of await readRoots(context, values, positionals)) {
      if (root.reference === undefined) continue;
      context.progress(`asking ${root.place}`);
      const trust = await store.refresh(root.reference);
      done.push(facts(root, trust));
      if (!context.json) context.print(`${inert(root.name)}: ${describe(root, trust).join('; ')}`);
    }
    if (context.json) context.printJson({ format: 1, roots: done });
    return exitCodes.ok;
  },
};

const exportCommand: Command = {
  name: 'trust export',
  summary: 'put what is known of the trust roots into one file, for where there is no network',
  usage: 'trust export FILE [--policy FILE]',
  examples: [{ command: 'signet trust export acme.trust.json', explanation: 'after signet trust refresh' }],
  options: policyOption,
  async run(context, values, positionals) {
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new SignetError('ERR_USAGE', 'signet trust export takes one file');
    const { exportTrust } = await import('@signet/client/trust/tuf');
    const store = await openStore(context);
    const references = new Map<string, TrustReference>();
    for (const { name, kind, reference } of await readRoots(context, values, [])) {
      // What ships with signet is at the other side already; a newer copy of it comes along.
      if (reference !== undefined && (kind === 'tuf' || (await store.copyOf(reference)) !== undefined)) {
        references.set(name, reference);
      }
    }
    await writeFile(resolve(context.cwd, file), await exportTrust(store, references));
    if (context.json) context.printJson({ format: 1, file: resolve(context.cwd, file), roots: [...references.keys()] });
    else context.print(`${file}: ${[...references.keys()].map((name) => inert(name)).join(', ') || 'no trust root'}`);
    return exitCodes.ok;
  },
};

const importCommand: Command = {
  name: 'trust import',
  summary: 'take trust from a file, verified from the roots that the policy pins; needs no network',
  usage: 'trust import FILE [--policy FILE]',
  details: [
    'An archive older than what is known already is refused. A root that the policy does not pin is passed over.',
  ],
  examples: [{ command: 'signet trust import acme.trust.json --offline', explanation: 'behind the air gap' }],
  options: policyOption,
  async run(context, values, positionals) {
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new SignetError('ERR_USAGE', 'signet trust import takes one file');
    const { parseTrustArchive } = await import('@signet/client/trust/tuf');
    const bytes = await readFile(resolve(context.cwd, file)).catch((cause: unknown) => {
      throw new SignetError('ERR_CONFIGURATION', `${file} cannot be read`, { cause });
    });
    const archived = parseTrustArchive(new Uint8Array(bytes), file);
    const store = await openStore(context);
    const taken = [];
    for (const root of await readRoots(context, values, [])) {
      const { reference } = root;
      const entry = archived.find(({ copy }) => copy.url === reference?.url);
      if (reference === undefined || entry === undefined) continue;
      const { newer, trust } = await store.take(reference, entry.copy);
      taken.push({ ...facts(root, trust), newer });
      if (!context.json)
        context.print(`${inert(root.name)}: ${newer ? 'taken' : 'known already'}; ${describe(root, trust).join('; ')}`);
    }
    if (taken.length === 0) {
      throw new SignetError('ERR_TRUST_ARCHIVE', `${file} holds none of the trust roots that the policy pins`);
    }
    if (context.json) context.printJson({ format: 1, roots: taken });
    return exitCodes.ok;
  },
};

const subcommands = { init, add, accept, list, refresh, export: exportCommand, import: importCommand };

export const command: Command = {
  name: 'trust',
  summary: 'whom to trust for which names: pin, list, refresh, carry over an air gap',
  usage: 'trust init | add | accept | list | refresh | export | import',
  examples: [init, list, refresh].flatMap(({ examples }) => examples.slice(0, 1)),
  options: {},
  subcommands,
  async run() {
    throw new SignetError('ERR_USAGE', `signet trust has the verbs ${Object.keys(subcommands).join(', ')}`);
  },
};

function facts(root: NamedRoot, trust: LoadedTrust | undefined): Readonly<Record<string, unknown>> {
  const { name, kind, place, packages } = root;
  return {
    name,
    kind,
    place,
    packages: packages ?? null,
    ...(trust === undefined
      ? {}
      : {
          root: trust.root.version,
          fingerprint: trust.root.fingerprint,
          source: trust.source,
          refreshed: trust.refreshed?.toISOString() ?? null,
          expires: trust.expires.toISOString(),
        }),
  };
}

function describe(root: NamedRoot, trust: LoadedTrust | undefined): readonly string[] {
  if (root.reference === undefined) return ['a file: whoever changes it changes whom you trust'];
  if (trust === undefined) return ['not fetched yet, or no longer valid: signet trust refresh'];
  const left = trust.expires.getTime() - Date.now();
  const until = trust.expires.toISOString().slice(0, 10);
  return [
    `root ${trust.root.version}, fingerprint ${trust.root.fingerprint}`,
    trust.refreshed === undefined ? 'as it shipped with signet' : `refreshed ${trust.refreshed.toISOString()}`,
    left < soon ? `! usable only until ${until}: signet trust refresh` : `usable until ${until}`,
  ];
}
