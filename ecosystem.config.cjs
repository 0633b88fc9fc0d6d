// PM2 runs the processes of one site: `npm run build && pm2 start ecosystem.config.cjs`.
// HANSE_SITE names it; DATABASE_URL names a PostgreSQL or CockroachDB server, without one the bundled server is run too.
// Everything that can be set stands in scripts/config.ts.
const path = require('node:path');

const site = process.env.HANSE_SITE || 'muc';
const data = process.env.HANSE_DATA || path.join(__dirname, 'data');
const dist = (name) => path.join(__dirname, 'dist', `${name}.js`);

const shared = {
  cwd: __dirname,
  interpreter: 'node',
  // As scripts/node-flags.ts has them, and says why.
  node_args: ['--enable-source-maps', '--max-semi-space-size=32', '--no-allocation-site-pretenuring'],
  autorestart: true,
  // A process ends what it has accepted before it goes.
  kill_timeout: 25000,
  exp_backoff_restart_delay: 100,
  merge_logs: true,
  env: { HANSE_DATA: data },
};

const apps = [
  {
    ...shared,
    name: `hanse-site-${site}`,
    script: dist('partition'),
    env: { ...shared.env, HANSE_SITE: site },
  },
  {
    ...shared,
    name: 'hanse-router',
    script: dist('router'),
    env: {
      ...shared.env,
      HANSE_ROUTER_SITES: process.env.HANSE_ROUTER_SITES || 'https://127.0.0.1:8443',
      HANSE_ROUTER_IDENTITY: process.env.HANSE_ROUTER_IDENTITY || path.join(data, 'sites', site, 'identity', 'router'),
    },
  },
];

if (!process.env.DATABASE_URL) {
  apps.unshift({ ...shared, name: 'hanse-database', script: dist('database') });
}

module.exports = { apps };
