// What `GET /v2/network/{id}/usage` and `/blocks` answer, as schemas: the types here, the OpenAPI document from them.
import { z } from 'zod';

const count = z
  .union([z.int().nonnegative(), z.string().regex(/^[1-9]\d+$/)])
  .describe('Exact: a number up to 2^53 − 1, decimal text beyond.');
const family = z.enum(['IPv4', 'IPv6']);

const counts = {
  size: count.describe('All addresses: reserved + held + resting + free + closed + unknown, exactly.'),
  reserved: count.describe('Nobody may acquire them: IPv4 the first and the last of a prefix, IPv6 the first.'),
  held: count.describe(
    'In use, lent ones and those of operations under way included. Of a super network: in child prefixes.',
  ),
  resting: count.describe('Released, and kept back by the quarantine of the network.'),
  free: count.describe('Can be acquired now.'),
  closed: count.describe(
    'Free, but given to nobody: the prefix or block is on its way out, at home while released addresses in it are kept back, or closed since a backup was restored.',
  ),
  unknown: count.describe(
    'In blocks whose holder, or the home of the network, did not answer, or that are on their way between sites.',
  ),
};

const growth = z
  .object({
    perDay: z.number().describe('More in use (less, if negative) a day.'),
    overHours: z.number().describe('The time that this was seen over: a week at most.'),
  })
  .nullable()
  .describe('null: not watched for ten minutes yet.');
const fragmentation = z
  .number()
  .nullable()
  .describe('0: all that is free is one run; near 1: it lies in many small ones. null: too much to look through.');
const rough = z
  .boolean()
  .describe(
    'So much is held that it was looked through roughly: the largest free run may be longer, and fragmentation lower.',
  );
const fullInDays = z
  .number()
  .nullable()
  .describe(
    'At this rate; 0: nothing is free; null: not within a hundred years, or the rate is not known, or somebody is unreachable.',
  );

const familyUsage = z.object({
  family,
  ...counts,
  children: z.int().describe('Child prefixes of a super network.'),
  growth: growth.describe(
    'Of held addresses, of all partitions together; of a super network, of addresses in child prefixes. null: of a partition that holds some it is not known yet: it is null in `partitions`, too.',
  ),
  childPrefixesPerDay: z
    .number()
    .nullable()
    .describe('The same growth of a super network in child prefixes of the default length; null: none, or unknown.'),
  fullInDays,
});

const prefixUsage = z.object({
  prefix: z.string(),
  family,
  ...counts,
  fragmentation,
  largestFree: count.nullable().describe('The most free addresses that lie one after the other within a block.'),
  rough,
});

const childrenUsage = z.object({
  prefix: z.string(),
  children: z.int(),
  size: count,
  held: count.describe('Addresses in children.'),
  free: count,
  freeSmallest: count.describe('/30 or /126 blocks that no child touches.'),
  largestFree: z.string().nullable().describe('The largest free block.'),
  fragmentation,
  childLength: z.int().nullable().describe('Length of a child when none is asked for.'),
  room: count.nullable().describe('So many children of that length fit in.'),
});

const spare = z.object({
  prefix: z.string(),
  blockLength: z.int(),
  given: z.int().describe('Blocks that partitions hold.'),
  free: count.describe('Blocks that nobody has.'),
  freeAddresses: count,
  reservedAddresses: z.int(),
  largestFree: count.describe('The most free blocks that lie one after the other.'),
  fragmentation: fragmentation.describe('Of the free blocks.'),
});

const block = z.object({
  block: z.string(),
  prefix: z.string(),
  partition: z.string().describe('Who holds it.'),
  site: z.string().describe('Where that partition is.'),
  state: z
    .enum(['sent', 'delivered', 'returning', 'resting', 'doubtful'])
    .describe(
      'sent: offered, not confirmed yet; delivered: the holder has it; returning: on its way home; resting: at home, kept back since addresses in it were released; doubtful: closed since a backup was restored.',
    ),
  held: z.int().nullable().describe('null: the holder did not answer.'),
  free: count.nullable(),
  fragmentation,
  rough,
});

const unreachable = z.array(z.string()).describe('Who did not answer, in words; what they have is not in the sums.');

export const usageAnswer = z.object({
  network: z.string(),
  fullInDays: fullInDays.describe(
    'Of the family that is full first; null as there, also while the rate of one of them is not known.',
  ),
  fullFirst: family.nullable().describe('That family.'),
  families: z.array(familyUsage),
  inOperation: z.int().describe('Addresses and child prefixes of operations under way; they count as held.'),
  lent: z.int().describe('Single addresses of blocks here that are used in another partition; they count as held.'),
  prefixes: z.array(prefixUsage),
  children: z.array(childrenUsage).describe('Of a super network: the space that children are cut from.'),
  blocks: z
    .object({
      count: z.int(),
      fullest: z.array(block).describe('At most 64, those with the fewest free addresses first; /blocks has all.'),
    })
    .describe('Of a global network.'),
  spare: z.array(spare).describe('What the home of a global network has left, by prefix.'),
  partitions: z.array(
    z.object({
      partition: z.string(),
      site: z.string(),
      blocks: z.int(),
      inOperation: z.int(),
      lent: z.int(),
      borrowed: z.int().describe("Single addresses of other partitions' blocks that are used here."),
      families: z.array(
        z.object({
          family,
          ...counts,
          growth,
          hoursLeftCutOff: z
            .number()
            .nullable()
            .describe('So long a partition can go on with its blocks when it is cut off; null as fullInDays.'),
        }),
      ),
      hoursLeftCutOff: z.number().nullable().describe('Of the family that runs out first.'),
    }),
  ),
  unreachable,
});

export const blocksAnswer = z.object({
  network: z.string(),
  blocks: z.array(block).describe('By address. While the home is unreachable: those whose holders answered.'),
  spare: z.array(spare).nullable().describe('What the home has left; null: it did not answer.'),
  unreachable,
});

export type UsageAnswer = z.infer<typeof usageAnswer>;
export type BlocksAnswer = z.infer<typeof blocksAnswer>;
export type BlockLine = z.infer<typeof block>;
