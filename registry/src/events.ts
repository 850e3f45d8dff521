import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AuditRecord, decisionChannel } from 'verdaccio-signet';

/** What an operator may want to read while an instance runs. Foreign texts in it are as they came. */
export type InstanceEvent =
  /** A publish was accepted or refused: what the audit log says too. */
  | ({ readonly kind: 'decision' } & AuditRecord)
  /** A warning or an error of Verdaccio's, or of the plugin in it. */
  | { readonly kind: 'registry'; readonly level: 'warning' | 'error'; readonly message: string }
  /** A request was answered, or broke off without an answer (no status). */
  | {
      readonly kind: 'request';
      readonly method: string;
      /** Without query, and without the tokens that npm writes into paths. */
      readonly path: string;
      readonly status?: number;
      readonly milliseconds: number;
    };

/** Pino's, from docs/diagnostics.md of pino 9: every line that one of its loggers writes. Verdaccio takes no stream of ours. */
const pinoLines = 'tracing:pino_asJson:end';

/** Pino's number for warnings; errors begin at 50. */
const [warning, error] = [40, 50];

/**
 * Reports what the registry decides and warns of.
 *
 * @param auditLog the file of the instance's decisions: other instances in this process have another
 * @returns ends the reports
 */
export function watchRegistry(auditLog: string, onEvent: (event: InstanceEvent) => void): () => void {
  const onDecision = (message: unknown) => {
    const { path, record } = message as { path?: string; record: AuditRecord };
    if (path === auditLog) onEvent({ kind: 'decision', ...record });
  };
  const onLine = (message: unknown) => {
    const entry = parseLine((message as { result?: unknown }).result);
    if (entry !== undefined) onEvent(entry);
  };
  subscribe(decisionChannel, onDecision);
  subscribe(pinoLines, onLine);
  return () => {
    unsubscribe(decisionChannel, onDecision);
    unsubscribe(pinoLines, onLine);
  };
}

function parseLine(line: unknown): InstanceEvent | undefined {
  let entry: { level?: unknown; msg?: unknown; package?: unknown; status?: unknown } | null;
  try {
    entry = JSON.parse(String(line));
  } catch {
    return { kind: 'registry', level: 'warning', message: String(line) };
  }
  const { level, msg, status } = entry ?? {};
  if (typeof level !== 'number' || level < warning) return undefined;
  // The plugin's own word of a refusal, which has come as a decision.
  if (typeof entry?.package === 'string' && typeof status === 'number') return undefined;
  const message = typeof msg === 'string' ? msg : String(line);
  return { kind: 'registry', level: level < error ? 'warning' : 'error', message };
}

/** Reports one request when its answer has gone out, or its connection has. */
export function watchRequest(
  request: IncomingMessage,
  response: ServerResponse,
  onEvent: (event: InstanceEvent) => void,
): void {
  const begun = performance.now();
  // Read now: handlers behind may rewrite it.
  const { method = '', url = '/' } = request;
  response.once('close', () => {
    onEvent({
      kind: 'request',
      method,
      path: withoutSecrets(url),
      ...(response.writableFinished ? { status: response.statusCode } : {}),
      milliseconds: Math.round(performance.now() - begun),
    });
  });
}

/** `npm logout` names the token in the path; logins carry codes in the query. */
function withoutSecrets(url: string): string {
  const [path = '/'] = url.split('?', 1);
  return path.replace(/(\/tokens?\/)[^/].*$/i, '$1…');
}
