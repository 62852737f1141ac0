import { languages, useTranslation, type Language } from '../i18n';

export function Header({ onLogOut }: { onLogOut: (() => void) | null }) {
  const { language, setLanguage, t } = useTranslation();
  return (
    <header className="header">
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <div className="brand">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <span>Alicerce</span>
      </div>
      <div className="header-tools">
        <fieldset className="languages">
          <legend className="visually-hidden">{t('language.label')}</legend>
          {(Object.keys(languages) as Language[]).map((code) => (
            <button
              key={code}
              type="button"
              lang={code}
              aria-pressed={code === language}
              aria-label={languages[code]}
              onClick={() => setLanguage(code)}
            >
              {code.toUpperCase()}
            </button>
          ))}
        </fieldset>
        {onLogOut !== null && (
          <button type="button" className="quiet" onClick={onLogOut}>
            {t('nav.logout')}
          </button>
        )}
      </div>
    </header>
  );
}
