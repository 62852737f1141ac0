import { useEffect, useMemo, useState, type ReactNode } from 'react';

import { locales, preferredLanguage, rememberLanguage, translate, TranslationContext, type Translation } from '.';

export function TranslationProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(() => preferredLanguage());

  useEffect(() => {
    document.documentElement.lang = locales[language];
  }, [language]);

  const value = useMemo<Translation>(
    () => ({
      language,
      setLanguage: (next) => {
        rememberLanguage(next);
        setLanguage(next);
      },
      t: (key, parameters) => translate(language, key, parameters),
    }),
    [language],
  );
  return <TranslationContext value={value}>{children}</TranslationContext>;
}
