import { dataFolder, type Endpoint } from '../endpoint.ts';
import { bold, cyan, dim, table } from './screen.ts';

/** What a person needs next: addresses, how to sign in, three commands to try. */
export function summary(
  endpoint: Endpoint,
  data: string,
  tookMs: number,
  { machines, waiting }: { machines: number; waiting: number },
): string {
  // The commands look into the default folder by themselves.
  const npm = data === dataFolder({}) ? 'npm' : `HANSE_DATA=${data} npm`;
  const sites = Object.entries(endpoint.sites).map(([site, url]): [string, string] => [`site ${site}`, url]);
  return `
${bold('Both plants are up')} ${dim(`after ${(tookMs / 1_000).toFixed(1)} s: ${machines} machines, ${waiting} of them wait`)}

${table([['router', bold(endpoint.apiUrl)], ...sites, ['data, keys, logs', data]])}

${bold('Sign in')}   ${cyan(`eval "$(${npm} run -s env)"`)}   ${dim('then metalctl works as it is')}

${bold('Try')}       ${dim('a project, a network and a machine in the other plant, through one address')}
  ${cyan(`${npm} run -s api -- PUT /v1/project '{"meta":{"id":"demo"},"name":"demo","tenant_id":"metal-stack"}'`)}
  ${cyan(`N=$(${npm} run -s api -- POST /v1/network/allocate '{"projectid":"demo","partitionid":"fra","name":"n1"}' --get id)`)}
  ${cyan(`${npm} run -s api -- POST /v1/machine/allocate '{"projectid":"demo","partitionid":"fra","sizeid":"c1-small",`)}
    ${cyan(`"imageid":"ubuntu-24.4","networks":[{"networkid":"'$N'"},{"networkid":"internet"}]}' --get allocation.networks`)}

${dim('Ctrl-C ends everything; the next start goes on with the same data; --fresh begins anew.')}
`;
}
