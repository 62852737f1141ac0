import { createContext, useContext } from 'react';

import { en } from './en';
import { pt } from './pt';

export type MessageKey = keyof typeof pt;
export type Messages = Record<MessageKey, string>;
export type Parameters = Record<string, string | number>;

export const languages = { pt: 'Português', en: 'English' } as const;
export type Language = keyof typeof languages;

/** BCP 47, for dates, names of countries and the document itself. */
export const locales: Record<Language, string> = { pt: 'pt-BR', en: 'en' };

const messages: Record<Language, Messages> = { pt, en };
const KEY = 'alicerce.language';

const isLanguage = (value: string | null): value is Language => value !== null && Object.hasOwn(languages, value);

export const isMessageKey = (key: string): key is MessageKey => Object.hasOwn(pt, key);

/** The language chosen earlier, else the first of the browser's that we speak, else Portuguese. */
export function preferredLanguage(storage: Storage = localStorage, wanted: readonly string[] = navigator.languages): Language {
  const chosen = storage.getItem(KEY);
  if (isLanguage(chosen)) return chosen;
  return wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? 'pt';
}

export function rememberLanguage(language: Language, storage: Storage = localStorage): void {
  storage.setItem(KEY, language);
}

export function translate(language: Language, key: MessageKey, parameters: Parameters = {}): string {
  return messages[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}

export interface Translation {
  language: Language;
  setLanguage: (language: Language) => void;
  t: (key: MessageKey, parameters?: Parameters) => string;
}

export const TranslationContext = createContext<Translation>({
  language: 'pt',
  setLanguage: () => undefined,
  t: (key, parameters) => translate('pt', key, parameters),
});

export const useTranslation = (): Translation => useContext(TranslationContext);
