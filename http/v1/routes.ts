import type { Edge } from '../env.ts';

/** Every resource of v1. Literal paths are declared before those with parameters. */
export const V1_RESOURCES: ReadonlyArray<(edge: Edge) => void> = [];
