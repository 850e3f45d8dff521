import { SignetError } from '@signet/primitives/formats';
import { type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { dataDirectory, instanceOptions, loadInstalled, readInstanceOptions } from '../instance-options.ts';

/** The instance's own code, which only operators install. */
export type Operator = typeof import('@signet/registry/operator');

/** @throws ERR_NOT_INSTALLED */
export function loadOperator(): Promise<Operator> {
  return loadInstalled(() => import('@signet/registry/operator'));
}

/** `--data DIR`. */
export const dataOption = { data: instanceOptions.data } as const;

/** An instance that exists, with the passphrase of its keys. @throws ERR_INSTANCE, ERR_CONFIGURATION */
export async function openNamedInstance(context: CommandContext, values: OptionValues) {
  const operator = await loadOperator();
  const { passphrase } = await readInstanceOptions(context, values);
  return { operator, passphrase, instance: await operator.openInstance(dataDirectory(context, values)) };
}

/** A time such as `90s`, `30m`, `12h`, `8d` or `0`, in seconds. @throws ERR_USAGE */
export function readDuration(values: OptionValues, name: string): number | undefined {
  const text = textOption(values, name);
  if (text === undefined) return undefined;
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const [, number, unit = ''] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? [];
  const seconds = Number(number) * (units[unit] ?? (Number(number) === 0 ? 1 : Number.NaN));
  if (seconds <= 366 * 86_400) return seconds;
  throw new SignetError(
    'ERR_USAGE',
    `--${name} takes 0 or a time such as 90s, 30m, 12h or 8d, not ${JSON.stringify(text)}`,
  );
}

/** @throws ERR_USAGE */
export function flagsOnly(name: string, positionals: readonly string[]): void {
  if (positionals.length > 0) throw new SignetError('ERR_USAGE', `signet ${name} takes flags only`);
}
