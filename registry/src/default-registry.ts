import { SignetError } from '@signet/primitives/formats';
import { getDefaultConfig } from 'verdaccio';

/**
 * The URL of npm's default registry, as Verdaccio's own default configuration has it: this source names no registry's
 * host (ARCHITECTURE.md, decision 19: `npmjs` stands for it, whatever its host).
 *
 * @throws ERR_INSTANCE_CONFIG when Verdaccio no longer carries such a default
 */
export function defaultRegistryUrl(): string {
  const url = getDefaultConfig().uplinks?.npmjs?.url;
  if (typeof url !== 'string' || url === '') {
    throw new SignetError(
      'ERR_INSTANCE_CONFIG',
      'Verdaccio has no default uplink npmjs any more; write the URL of a registry as uplink: into instance.yaml',
    );
  }
  return url;
}
