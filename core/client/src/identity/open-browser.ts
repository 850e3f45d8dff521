/**
 * Asks the desktop to open a page. Never through a shell: the URL is one argument of one program, and only http and https
 * are passed on. Whether a browser really opened cannot be known, so the caller shows the URL as well.
 */
export function openBrowser(url: URL, platform: NodeJS.Platform = process.platform): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return;
  const [program, ...before] = opener(platform);
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(program, [...before, url.href], { stdio: 'ignore', detached: true, shell: false });
  // No opener (a server, a container): the person follows the printed URL instead.
  child.on('error', () => undefined);
  child.unref();
}

function opener(platform: NodeJS.Platform): [string, ...string[]] {
  if (platform === 'darwin') return ['open'];
  // `start` would need cmd.exe, which reads & in a URL as the end of a command.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return ['xdg-open'];
}
