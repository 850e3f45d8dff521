import { SignetError } from '@signet/primitives/formats';
import type { InstanceConfiguration } from './instance-file.ts';
import type { InstanceLayout } from './layout.ts';
import { isLoopback, parsePublicUrl } from './public-url.ts';

/** What a command line may ask of an instance that is there already. */
export interface Wanted {
  readonly publicUrl?: string;
  readonly devIdentity?: boolean;
  readonly names?: readonly string[];
  readonly uplink?: InstanceConfiguration['uplink'];
}

/**
 * Refuses what contradicts the instance: flags make a new instance and change none. Passed over in silence, they would leave an
 * operator with another instance than the one that was asked for.
 *
 * @throws ERR_INSTANCE_URL, ERR_INSTANCE_CONFIG, ERR_DEVELOPMENT_ONLY
 */
export function assertWanted(configuration: InstanceConfiguration, wanted: Wanted, layout: InstanceLayout): void {
  if (wanted.publicUrl !== undefined && parsePublicUrl(wanted.publicUrl) !== configuration.publicUrl) {
    throw new SignetError(
      'ERR_INSTANCE_URL',
      `The public URL was fixed as ${configuration.publicUrl} when the instance was made: it is the origin of its log`,
      { expected: configuration.publicUrl, found: wanted.publicUrl },
    );
  }
  if (wanted.names !== undefined) {
    assertSame('--names', sorted(configuration.names), sorted(wanted.names), {
      layout,
      advice: `to own other names, edit names there and packages in ${layout.policyFile}`,
    });
  }
  if (wanted.uplink !== undefined) {
    const advice = 'to fetch other names from elsewhere, edit uplink there';
    assertSame('--uplink', describeUplink(configuration.uplink), describeUplink(wanted.uplink), { layout, advice });
  }
  if (wanted.devIdentity !== true) return;
  if (!isLoopback(configuration.publicUrl)) {
    throw new SignetError(
      'ERR_DEVELOPMENT_ONLY',
      `--dev-identity makes up identities and is refused for ${configuration.publicUrl}, which is not a loopback address`,
    );
  }
  if (!configuration.developmentIdentity) {
    throw new SignetError(
      'ERR_DEVELOPMENT_ONLY',
      'This instance was made without --dev-identity and stays so; make another for development, with another --data',
    );
  }
}

/**
 * Refuses to initialise an instance for another address than it listens on. A start may well choose another.
 *
 * @param wanted port 0 asks for no port in particular
 * @throws ERR_INSTANCE_CONFIG
 */
export function assertListens(
  { listen, publicUrl }: InstanceConfiguration,
  wanted: { readonly host?: string; readonly port?: number },
  layout: InstanceLayout,
): void {
  const port = wanted.port === undefined || wanted.port === 0 ? listen.port : wanted.port;
  const advice = isLoopback(publicUrl)
    ? `its public URL ${publicUrl} is fixed; for another make another instance, with another --data`
    : 'to listen elsewhere, edit listen there';
  const found = `${wanted.host ?? listen.host}:${port}`;
  assertSame('--host and --port', `${listen.host}:${listen.port}`, found, { layout, advice });
}

function assertSame(
  flag: string,
  expected: string,
  found: string,
  { layout, advice }: { readonly layout: InstanceLayout; readonly advice: string },
): void {
  if (expected === found) return;
  throw new SignetError(
    'ERR_INSTANCE_CONFIG',
    `There is an instance in ${layout.directory} already, and ${flag} would change it; ${layout.instanceFile} decides: ${advice}`,
    { expected, found },
  );
}

function sorted(names: readonly string[]): string {
  return [...new Set(names)].sort().join(', ');
}

function describeUplink(uplink: InstanceConfiguration['uplink']): string {
  return typeof uplink === 'string' ? uplink : uplink.url;
}
