/**
 * What a route demands (machines.md §1.2): `none` answers everybody, `auth` every user of the provider tenant, the
 * others one of the role's groups.
 */
export type Role = 'none' | 'auth' | 'view' | 'edit' | 'admin';

const ADMIN_GROUPS = ['k8s_kaas-admin', 'maas-all-all-admin'] as const;
const EDIT_GROUPS = ['k8s_kaas-edit', 'maas-all-all-edit'] as const;
const VIEW_GROUPS = ['k8s_kaas-view', 'maas-all-all-view'] as const;

/** The groups that one of the built-in HMAC users has. */
export const GROUPS: Record<'view' | 'edit' | 'admin', readonly string[]> = {
  view: VIEW_GROUPS,
  edit: EDIT_GROUPS,
  admin: ADMIN_GROUPS,
};

const SATISFIED_BY: Record<'view' | 'edit' | 'admin', ReadonlySet<string>> = {
  view: new Set<string>([...VIEW_GROUPS, ...EDIT_GROUPS, ...ADMIN_GROUPS]),
  edit: new Set<string>([...EDIT_GROUPS, ...ADMIN_GROUPS]),
  admin: new Set<string>(ADMIN_GROUPS),
};

export const hasRole = (groups: readonly string[], role: Role): boolean =>
  role === 'none' || role === 'auth' || groups.some((group) => SATISFIED_BY[role].has(group));
