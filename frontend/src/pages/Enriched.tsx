import type { ReactNode } from 'react';

import type { Enrichment } from '../api/types';
import { Avatar } from '../components/Avatar';
import { isMessageKey, locales, useTranslation, type Language, type Translation } from '../i18n';
import { useEnrichment } from './useEnrichment';

interface Fact {
  label: string;
  value: string;
  /** Smaller lines below the value. */
  notes?: string[];
  mark?: 'invalid' | 'missing';
}

const present = (values: readonly (string | null | undefined)[]): string[] =>
  values.filter((value): value is string => typeof value === 'string' && value !== '');

/** One of a family of messages by the server's word, in the fallback's words where the word is new to us. */
function choose(t: Translation['t'], family: string, word: string, fallback: string): string {
  const key = `${family}.${word}`;
  return isMessageKey(key) ? t(key) : fallback;
}

function facts(data: Enrichment, t: Translation['t']): Fact[] {
  const missing = { value: t('enrichment.missing'), mark: 'missing' } as const;
  const invalid = { value: t('enrichment.invalid'), mark: 'invalid' } as const;
  const { name, email, phone, cpf, age } = data;

  const phoneFact = ((): Omit<Fact, 'label'> => {
    if (phone === null) return missing;
    if (!phone.valid) return invalid;
    const kind = phone.type === null ? null : choose(t, 'enrichment.phone', phone.type, t('enrichment.phone.other'));
    return {
      value: phone.international ?? phone.e164 ?? '',
      notes: present([
        present([phone.region, phone.country]).join(' · '),
        present([kind, phone.carrier]).join(' · '),
        phone.time_zones.join(', '),
      ]),
    };
  })();
  const emailFact = ((): Omit<Fact, 'label'> => {
    if (email === null) return missing;
    const provider =
      email.provider === null ? null : choose(t, 'enrichment.provider', email.provider, email.provider);
    return { value: email.normalized, notes: present([email.valid ? provider : t('enrichment.invalid')]) };
  })();
  const cpfFact = ((): Omit<Fact, 'label'> => {
    if (cpf === null) return missing;
    if (!cpf.valid) return invalid;
    const region = cpf.region === null ? null : t('enrichment.region', { region: cpf.region });
    return { value: cpf.formatted ?? '', notes: present([region]) };
  })();

  return [
    { label: t('enrichment.name'), ...(name === null ? missing : { value: name.full }) },
    { label: t('enrichment.email'), ...emailFact },
    { label: t('enrichment.phone'), ...phoneFact },
    { label: t('enrichment.cpf'), ...cpfFact },
    {
      label: t('enrichment.age'),
      ...(age === null ? missing : { value: t('enrichment.years', { years: age.years, band: age.band }) }),
    },
  ];
}

function Facts({ data, language, t }: { data: Enrichment; language: Language; t: Translation['t'] }) {
  const when = new Date(data.enriched_at).toLocaleString(locales[language], { dateStyle: 'medium', timeStyle: 'medium' });
  return (
    <>
      {data.avatar !== null && <Avatar hash={data.avatar.hash} initials={data.name?.initials ?? ''} />}
      <dl className="facts">
        {facts(data, t).map(({ label, value, notes = [], mark }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className={mark}>
              {value}
              {notes.map((note) => (
                <small key={note}>{note}</small>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className="hint">{t('enrichment.at', { when })}</p>
    </>
  );
}

/** What the platform tells of the profile of this revision, and how far it has got. */
export function Enriched({ revision }: { revision: number }) {
  const { language, t } = useTranslation();
  const { data, phase, retry } = useEnrichment(revision);
  const status: ReactNode = t(`enrichment.${phase}`);

  return (
    <section className="card" aria-labelledby="enriched-title" aria-busy={phase === 'pending' || phase === 'slow'}>
      <h2 id="enriched-title">{t('enrichment.title')}</h2>
      <p className="lead">{t('enrichment.lead')}</p>
      <p role="status" className={`phase phase-${phase}`} data-phase={phase} data-revision={data?.revision}>
        {status}
      </p>
      {phase === 'failed' && (
        <button type="button" className="quiet" onClick={retry}>
          {t('common.retry')}
        </button>
      )}
      {data !== null && <Facts data={data} language={language} t={t} />}
    </section>
  );
}
