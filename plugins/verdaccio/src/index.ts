export { type ActivePlugin, default, type PluginOptions } from './plugin.ts';
