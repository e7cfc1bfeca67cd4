import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { codeOf, ROOT, readSources, type Source, withoutComments } from './sources.ts';

const MAX_LINES = 400;

interface Rule {
  readonly says: string;
  /** Looked for in code: comments and the insides of strings are blank. */
  readonly pattern: RegExp;
  readonly exempt?: RegExp;
  readonly examples: readonly string[];
}

const RULES: readonly Rule[] = [
  {
    says: 'a type is named, or is unknown; never any',
    pattern: /(?:[:<|&,=(]|\bas|\bextends|\breadonly)\s*any\b(?!\s*[:(])/,
    examples: [
      'let a: any = 1',
      'f<any>()',
      'x as any',
      'Record<string, any>',
      'type T = any;',
      '(a: any[]) => 1',
    ],
  },
  {
    says: 'only the program ends the process (src/app); a library throws',
    pattern: /\bprocess\.(?:exit|abort|reallyExit)\b/,
    exempt: /^src\/app\//,
    examples: ['process.exit(1)'],
  },
  {
    says: 'time comes from a Clock (src/base/clock.ts)',
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bprocess\.hrtime\b/,
    exempt: /^src\/(?:app\/|base\/clock\.ts$)/,
    examples: ['Date.now()', 'new Date()', 'performance.now()'],
  },
  {
    says: 'chance comes from a Random (src/base/random.ts)',
    pattern: /\bMath\.random\b/,
    exempt: /^src\/app\//,
    examples: ['Math.random()'],
  },
];

describe('tidy', () => {
  const all = readSources();
  const shipped = all.filter(({ path }) => /^(?:src|proxy|backup)\//.test(path));

  for (const rule of RULES) {
    it(rule.says, () => {
      expect(
        shipped.filter(({ path }) => !rule.exempt?.test(path)).flatMap((s) => hits(rule, s)),
      ).to.deep.equal([]);
      for (const text of rule.examples) expect(hits(rule, { path: 'x.ts', text }), text).to.have.length(1);
      expect(hits(rule, { path: 'x.ts', text: `// ${rule.examples[0]}\nconst any = '${rule.examples[0]}';` }))
        .to.be.empty;
    });
  }

  it(`no file is longer than ${MAX_LINES} lines`, () => {
    const long = shipped.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES);
    expect(long.map(({ path }) => path)).to.deep.equal([]);
  });

  it('folders are named for what is in them', () => {
    const vague = all.filter(({ path }) => /(?:^|\/)(?:utils?|helpers?|common|misc|lib)[/.]/.test(path));
    expect(vague.map(({ path }) => path)).to.deep.equal([]);
  });

  it('nothing is left for later', () => {
    const left = all.filter(({ text }) => /\b(?:TO\s?DO|FIX\s?ME|XX\s?X)\b/.test(text));
    expect(left.map(({ path }) => path)).to.deep.equal([]);
  });

  it('every error code is met somewhere', () => {
    const table = shipped.find(({ path }) => path === 'src/base/errors.ts')?.text ?? '';
    const codes = [...table.matchAll(/^ {2}(WEIR_[A-Z_]+): /gm)].map(([, code]) => code ?? '');
    expect(codes).to.include('WEIR_INTERNAL');
    const code = shipped.map(({ text }) => withoutComments(text)).join('\n');
    const unused = codes.filter((name) => !new RegExp(`['"]${name}['"]`).test(code));
    if (unused.length > 0) expect.fail(`codes of src/base/errors.ts nobody uses:\n${unused.join('\n')}`);
  });

  it('every limit stands in docs/limits.md with its value', () => {
    const path = join(ROOT, 'docs/limits.md');
    const rows = existsSync(path) ? readFileSync(path, 'utf8').replace(/ +/g, ' ').split('\n') : [];
    const limits = shipped.flatMap(limitsOf);
    const missing = limits.filter((limit) => !rows.some((row) => row.startsWith(limit)));
    if (missing.length > 0) expect.fail(`missing in docs/limits.md:\n${missing.join('\n')}`);
    const stale = rows.filter((row) => isLimitRow(row) && !limits.some((limit) => row.startsWith(limit)));
    if (stale.length > 0) expect.fail(`in docs/limits.md, but not so in the code:\n${stale.join('\n')}`);
  });

  it('would see a limit', () => {
    const text =
      'export const MAX_DEPTH = 256;\nexport const IDLE_MS: number =\n  30 * 1000;\nexport const MAGIC = 1;\n';
    expect(limitsOf({ path: 'src/a.ts', text })).to.deep.equal([
      '| `MAX_DEPTH` | `256` | src/a.ts |',
      '| `IDLE_MS` | `30 * 1000` | src/a.ts |',
    ]);
  });
});

function hits(rule: Rule, source: Source): string[] {
  return codeOf(source.text)
    .split('\n')
    .flatMap((line, i) => (rule.pattern.test(line) ? [`${source.path}:${i + 1}: ${line.trim()}`] : []));
}

function isLimitRow(row: string): boolean {
  return /^\| `[A-Z]/.test(row);
}

/** The beginning of the table row each exported limit has in docs/limits.md. */
function limitsOf({ path, text }: Source): string[] {
  return [...withoutComments(text).matchAll(/^export const ([A-Z][A-Z0-9_]*)(?::[^=]+)? =\s+([^;]+);/gm)]
    .filter(([, name]) => /^MAX_|_(?:MS|BYTES)$/.test(name ?? ''))
    .map(([, name, value]) => `| \`${name}\` | \`${value?.replace(/\s+/g, ' ')}\` | ${path} |`);
}
