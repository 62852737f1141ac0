import { describe, expect, it } from 'vitest';

import { preferredLanguage, rememberLanguage, translate } from '.';
import { en } from './en';
import { pt } from './pt';

const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

describe('the languages', () => {
  it.each(Object.keys(pt) as (keyof typeof pt)[])('agree on %s', (key) => {
    expect(en[key].trim()).not.toBe('');
    expect(placeholders(en[key])).toEqual(placeholders(pt[key]));
  });

  it('fill in what a message leaves open', () => {
    expect(translate('en', 'enrichment.years', { years: 30, band: '25-34' })).toBe('30 years (band 25-34)');
    expect(translate('pt', 'enrichment.region')).toBe('Emitido em {region}');
  });
});

describe('the language at the start', () => {
  it.each([
    [['pt-BR', 'en'], 'pt'],
    [['en-GB'], 'en'],
    [['de-DE', 'EN-us'], 'en'],
    [['de-DE'], 'pt'],
    [[], 'pt'],
  ] as const)('for %j is %s', (wanted, language) => {
    expect(preferredLanguage(localStorage, wanted)).toBe(language);
  });

  it('is the one that was chosen earlier', () => {
    rememberLanguage('en');
    expect(preferredLanguage(localStorage, ['pt-BR'])).toBe('en');
  });

  it('ignores a choice it does not know', () => {
    localStorage.setItem('alicerce.language', 'constructor');
    expect(preferredLanguage(localStorage, ['en'])).toBe('en');
  });
});
