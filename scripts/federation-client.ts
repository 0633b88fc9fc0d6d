// Inviting and joining, as a client of two running sites.
import { callApi, errorMessage, type Credentials } from './api-client.ts';

/** A token of the site at `url`, good once, for 15 minutes. */
export async function invite(url: string, credentials: Credentials): Promise<string> {
  const answer = await callApi(url, credentials, 'POST', '/v2/federation/invite', {});
  if (answer.status !== 200) throw new Error(`${url} gives no token: ${answer.status} ${errorMessage(answer.text)}`);
  return (JSON.parse(answer.text) as { token: string }).token;
}

/** Lets the site at `url` join the federation of the token; it starts again then. Answers the reasons when it may not. */
export async function join(url: string, credentials: Credentials, token: string): Promise<string[] | undefined> {
  const answer = await callApi(url, credentials, 'POST', '/v2/federation/join', { token }, { timeoutMs: 120_000 });
  return answer.status === 200 ? undefined : errorMessage(answer.text).split('\n');
}

/** What a restored site lost is accepted: its closed blocks give out again; answers how many. `without`: who is missing, too. */
export async function acceptLoss(url: string, credentials: Credentials, without: boolean): Promise<number> {
  const answer = await callApi(
    url,
    credentials,
    'POST',
    '/v2/federation/accept-loss',
    { without },
    { timeoutMs: 60_000 },
  );
  if (answer.status !== 200) throw new Error(errorMessage(answer.text));
  return (JSON.parse(answer.text) as { blocks: number }).blocks;
}
