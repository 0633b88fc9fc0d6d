// The audit for people, and for a thread to tell: as many findings as somebody reads, and how many more there are.
import { violations } from './audit.ts';
import { isLive, type SiteRows } from './rows.ts';
import { tableNames } from '../entity/entities.ts';

export interface Brief {
  /** Sentences that begin with the name of the rule that is broken, the first ones of each rule; empty: sound. */
  findings: string[];
  /** How many more there are, by rule. */
  more: Record<string, number>;
}

export interface RowsAudit extends Brief {
  site: string;
  rows: { live: number; log: number; isWholeLog: boolean };
}

/** Of each rule: a rule that everything breaks must not hide the one that a single row breaks. */
export const MOST_OF_A_RULE = 50;
const MOST_CHARACTERS = 1_000;

export function briefOf(sentences: Iterable<string>): Brief {
  const findings: string[] = [];
  const counts = new Map<string, number>();
  for (const sentence of sentences) {
    const rule = sentence.slice(0, sentence.indexOf(':'));
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    if (count > MOST_OF_A_RULE) continue;
    // Some name everything that a thing has.
    findings.push(sentence.length > MOST_CHARACTERS ? `${sentence.slice(0, MOST_CHARACTERS)}…` : sentence);
  }
  const beyond = [...counts].filter(([, count]) => count > MOST_OF_A_RULE);
  return { findings, more: Object.fromEntries(beyond.map(([rule, count]) => [rule, count - MOST_OF_A_RULE])) };
}

/** The audit of one site by itself. */
export function auditRows(site: SiteRows): RowsAudit {
  let live = 0;
  for (const table of tableNames) for (const row of site.rows[table]) if (isLive(row)) live++;
  const { log, isWholeLog } = site;
  return { site: site.site, ...briefOf(violations([site])), rows: { live, log: log.length, isWholeLog } };
}
