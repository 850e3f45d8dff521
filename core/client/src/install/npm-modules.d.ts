// A module of npm's own that carries no types: what is used of it.

declare module '@npmcli/map-workspaces' {
  /** The folders of a project's workspaces by the names in their package.json. */
  export default function mapWorkspaces(options: {
    readonly cwd: string;
    readonly pkg: Readonly<Record<string, unknown>>;
  }): Promise<Map<string, string>>;
}
