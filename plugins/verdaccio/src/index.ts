export { type ActivePlugin, default, type PluginOptions } from './plugin.ts';
export { provideSigner } from './registry-signer.ts';
