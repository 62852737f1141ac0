import { useEffect, useState } from 'react';

import { useClient } from '../api/context';
import type { Profile } from '../api/types';
import { explain } from '../components/messages';
import { Notice } from '../components/Notice';
import { useTranslation } from '../i18n';
import { Enriched } from './Enriched';
import { ProfileForm } from './ProfileForm';

export function ProfilePage() {
  const client = useClient();
  const { t } = useTranslation();
  const [profile, setProfile] = useState<Profile | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    client.profile(controller.signal).then(
      (found) => setProfile(found),
      (failure: unknown) => {
        if (!controller.signal.aborted) setError(failure);
      },
    );
    return () => controller.abort();
  }, [client, attempt]);

  if (profile !== null) {
    return (
      <div className="columns">
        <ProfileForm profile={profile} onSaved={setProfile} />
        <Enriched revision={profile.revision} />
      </div>
    );
  }
  if (error === null) return <p role="status">{t('common.loading')}</p>;
  return (
    <div className="card narrow">
      <Notice kind="error">{explain(error, t)}</Notice>
      <button
        type="button"
        onClick={() => {
          setError(null);
          setAttempt(attempt + 1);
        }}
      >
        {t('common.retry')}
      </button>
    </div>
  );
}
