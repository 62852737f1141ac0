import { useEffect, useMemo, useRef, useState, type SubmitEvent } from 'react';

import { useClient } from '../api/context';
import type { AddressField, Profile } from '../api/types';
import { Field, Select } from '../components/Field';
import { focusFirstInvalid } from '../components/focus';
import { explain, fieldErrors } from '../components/messages';
import { Notice } from '../components/Notice';
import { useTranslation } from '../i18n';
import { countries } from './countries';
import { draftOf, patchOf, type Draft } from './draft';

const addressInputs: [field: AddressField, autoComplete: string, className: string][] = [
  ['postal_code', 'postal-code', 'third'],
  ['street', 'address-line1', 'two-thirds'],
  ['number', 'off', 'third'],
  ['complement', 'address-line2', 'two-thirds'],
  ['district', 'address-level3', 'third'],
  ['city', 'address-level2', 'third'],
  ['state', 'address-level1', 'third'],
];

interface ProfileFormProps {
  profile: Profile;
  onSaved: (profile: Profile) => void;
}

type Outcome = { kind: 'saved' | 'unchanged' } | { kind: 'failed'; error: unknown } | null;

export function ProfileForm({ profile, onSaved }: ProfileFormProps) {
  const client = useClient();
  const { language, t } = useTranslation();
  const form = useRef<HTMLFormElement>(null);
  const [draft, setDraft] = useState(() => draftOf(profile));
  const [saving, setSaving] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>(null);

  const error = outcome?.kind === 'failed' ? outcome.error : null;
  const errors = fieldErrors(error, t);
  useEffect(() => {
    if (error !== null) focusFirstInvalid(form.current);
  }, [error]);

  const countryOptions = useMemo(
    () => [['', t('field.address.country.none')] as const, ...countries(language)],
    [language, t],
  );

  const set = (change: Partial<Draft>) => setDraft((now) => ({ ...now, ...change }));
  const setAddress = (field: AddressField, value: string) =>
    setDraft((now) => ({ ...now, address: { ...now.address, [field]: value } }));

  async function save(): Promise<void> {
    const patch = patchOf(draftOf(profile), draft);
    if (Object.keys(patch).length === 0) {
      setOutcome({ kind: 'unchanged' });
      return;
    }
    setSaving(true);
    setOutcome(null);
    try {
      const saved = await client.saveProfile(patch);
      setDraft(draftOf(saved));
      setOutcome({ kind: 'saved' });
      onSaved(saved);
    } catch (failure) {
      setOutcome({ kind: 'failed', error: failure });
    } finally {
      setSaving(false);
    }
  }

  function submit(event: SubmitEvent): void {
    event.preventDefault();
    if (!saving) void save();
  }

  return (
    <form ref={form} className="card" noValidate onSubmit={submit} aria-labelledby="profile-title" aria-busy={saving}>
      <h1 id="profile-title">{t('profile.title')}</h1>
      <div className="grid">
        <Field
          name="name"
          label={t('field.name')}
          value={draft.name}
          error={errors['name']}
          autoComplete="name"
          onChange={(event) => set({ name: event.target.value })}
        />
        <Field
          name="email"
          type="email"
          label={t('field.email')}
          value={profile.email}
          hint={t('profile.email.hint')}
          autoComplete="email"
          readOnly
        />
        <Field
          name="birth_date"
          type="date"
          className="third"
          label={t('field.birth_date')}
          value={draft.birth_date}
          error={errors['birth_date']}
          autoComplete="bday"
          onChange={(event) => set({ birth_date: event.target.value })}
        />
        <Field
          name="cpf"
          className="two-thirds"
          label={t('field.cpf')}
          value={draft.cpf}
          error={errors['cpf']}
          inputMode="numeric"
          autoComplete="off"
          onChange={(event) => set({ cpf: event.target.value })}
        />
        <Field
          name="phone"
          type="tel"
          label={t('field.phone')}
          hint={t('field.phone.hint')}
          value={draft.phone}
          error={errors['phone']}
          autoComplete="tel"
          onChange={(event) => set({ phone: event.target.value })}
        />
      </div>
      <fieldset className="grid">
        <legend>{t('field.address')}</legend>
        {addressInputs.map(([field, autoComplete, className]) => (
          <Field
            key={field}
            name={`address.${field}`}
            className={className}
            label={t(`field.address.${field}`)}
            value={draft.address[field]}
            error={errors[`address.${field}`]}
            autoComplete={autoComplete}
            onChange={(event) => setAddress(field, event.target.value)}
          />
        ))}
        <Select
          name="address.country"
          label={t('field.address.country')}
          value={draft.address.country}
          error={errors['address.country'] ?? errors['address']}
          autoComplete="country"
          options={countryOptions}
          onChange={(value) => setAddress('country', value)}
        />
      </fieldset>
      <Notice kind="error">{error === null ? null : explain(error, t)}</Notice>
      <Notice kind="success">
        {outcome?.kind === 'saved' || outcome?.kind === 'unchanged' ? t(`profile.${outcome.kind}`) : null}
      </Notice>
      <button type="submit" disabled={saving}>
        {t(saving ? 'profile.saving' : 'profile.save')}
      </button>
    </form>
  );
}
