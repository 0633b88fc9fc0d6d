// The interface as OpenAPI 3.1, from the routes that are registered: what is described is what is served.
import { z } from 'zod';
import { DRY_HEADER, DRY_QUERY } from './dry-run.ts';
import type { Edge, RegisteredRoute } from './env.ts';
import { KEY_HEADER, REPLAYED_HEADER, SCOPE_HEADER } from './idempotency.ts';
import { ok, route } from './route.ts';

type Json = Record<string, unknown>;

const ROLE_TEXT: Record<RegisteredRoute['role'], string> = {
  none: 'Anybody may call it.',
  auth: 'Every user of the provider tenant may call it.',
  view: 'Needs the role view.',
  edit: 'Needs the role edit.',
  admin: 'Needs the role admin.',
};

const hasDryRun = ({ effect }: RegisteredRoute): boolean => effect === 'write' || effect === 'dry';
const isV2 = ({ path }: RegisteredRoute): boolean => path.startsWith('/v2/');

/** `/v1/ip/:id` as `/v1/ip/{id}`. */
const templateOf = (path: string): string => path.replace(/:([A-Za-z]+)/g, '{$1}');

const header = (name: string, description: string, schema: Json): Json => ({
  name,
  in: 'header',
  required: false,
  description,
  schema,
});

const KEY_PARAMETER = header(
  KEY_HEADER,
  'The request is executed once; repeated with the same key, it gets the first answer. Kept for 48 hours.',
  { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
);
const DRY_RUN_HEADER = header(DRY_HEADER, 'true: answers what would be answered, and changes nothing.', {
  type: 'boolean',
  default: false,
});
const DRY_PARAMETER: Json = {
  name: DRY_QUERY,
  in: 'query',
  required: false,
  description: `As the header ${DRY_HEADER}; both answer below /v2 with \`dryRun\`, \`status\`, \`answer\` (what would be answered) and \`changes\`.`,
  schema: { type: 'boolean', default: false },
};

const parametersOf = (declared: RegisteredRoute): Json[] => [
  ...[...declared.path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  })),
  ...(declared.effect === 'write' ? [KEY_PARAMETER] : []),
  ...(hasDryRun(declared) ? [DRY_RUN_HEADER] : []),
  ...(hasDryRun(declared) && isV2(declared) ? [DRY_PARAMETER] : []),
];

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const json: Json = { ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }) };
  // The document says it once for all.
  delete json['$schema'];
  return json;
};

const ANSWER_HEADERS: Json = Object.fromEntries(
  [
    [REPLAYED_HEADER, 'true: this is the answer to the first request with the key.'],
    [SCOPE_HEADER, 'The key counts at this site only: another one could not be asked for it.'],
    [DRY_HEADER, 'true: nothing was changed.'],
  ].map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
);

const READ_HEADERS: Json = Object.fromEntries(
  [
    ['Warning', 'Who could not be reached, and how old what stands for their part is; absent: all answered.'],
    ['X-Stale-Partitions', 'The same for programs: `muc` is missing, `site:muc;age=12` is 12 s old.'],
  ].map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
);

const answersOf = (declared: RegisteredRoute): Json => ({
  '2XX': {
    description: 'Done.',
    headers: declared.effect === 'read' ? READ_HEADERS : declared.effect === 'write' ? ANSWER_HEADERS : {},
    content: {
      'application/json': declared.answer === undefined ? {} : { schema: jsonSchema(declared.answer, 'output') },
    },
  },
  default: {
    description: 'Refused: a JSON string that contains JSON with `statuscode` and `message`, as metal-api answers.',
    content: { 'application/json': { schema: { type: 'string', contentMediaType: 'application/json' } } },
  },
});

const operationOf = (declared: RegisteredRoute, isMirror: boolean): Json => ({
  operationId: isMirror ? `${declared.operation} v2` : declared.operation,
  tags: [declared.path.split('/')[2] ?? ''],
  description: [declared.about, ROLE_TEXT[declared.role]].filter((text) => text !== undefined).join(' '),
  'x-role': declared.role,
  'x-audited': declared.audited,
  ...(declared.role === 'none' ? { security: [] } : {}),
  parameters: parametersOf(declared),
  ...(declared.body === undefined
    ? {}
    : {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: jsonSchema(declared.body, 'input') } },
        },
      }),
  responses: answersOf(declared),
});

/** The document for all routes of an edge; paths are below its base path. */
export function openApiOf({ routes, site }: Pick<Edge, 'routes' | 'site'>): Json {
  const paths: Record<string, Json> = {};
  const ids = new Set<string>();
  for (const declared of routes) {
    const path = templateOf(declared.path);
    // What v1 has stands first and keeps its id.
    paths[path] = { ...paths[path], [declared.method]: operationOf(declared, ids.has(declared.operation)) };
    ids.add(declared.operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Hanse', version: site.config.version },
    servers: [{ url: site.config.basePath }],
    security: [{ hmac: [] }, { bearer: [] }],
    components: {
      securitySchemes: {
        hmac: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'Metal-View, Metal-Edit, Metal-Admin',
        },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
    paths,
  };
}

/** `GET /v2/openapi.json`; declare it last, it describes what is registered when it is first asked for. */
export function addOpenApiRoute(edge: Edge): void {
  let document: Json | undefined;
  route(edge, { method: 'get', path: '/v2/openapi.json', role: 'none', operation: 'openapi' }, () =>
    ok((document ??= openApiOf(edge))),
  );
}
