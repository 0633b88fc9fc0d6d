// `eval "$(npm run -s env)"`: the variables that metalctl reads.
import { readEndpoint } from './endpoint.ts';

const endpoint = readEndpoint();
if (endpoint === undefined) {
  console.error('no running plant is known here: run `npm start` first (or set HANSE_DATA to its data folder)');
  process.exit(1);
}
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const variables: Record<string, string> = {
  METALCTL_API_URL: endpoint.apiUrl,
  METALCTL_HMAC: endpoint.keys.admin,
  METALCTL_HMAC_AUTH_TYPE: 'Metal-Admin',
};
for (const [name, value] of Object.entries(variables)) console.log(`export ${name}=${quoted(value)}`);
