import { useEffect, useRef, useState, type SubmitEvent } from 'react';

import { useClient } from '../api/context';
import { ApiError } from '../api/problem';
import type { FieldError } from '../api/types';
import { Field } from '../components/Field';
import { focusFirstInvalid } from '../components/focus';
import { explain, fieldErrors } from '../components/messages';
import { Notice } from '../components/Notice';
import { useTranslation } from '../i18n';
import { navigate, type Path } from '../routes';

interface AccountPageProps {
  mode: 'signup' | 'login';
  /** The last session ended by itself. */
  expired: boolean;
  onLoggedIn: () => void;
}

/** The empty fields, told as the server would. */
function missing(values: Record<string, string>): ApiError | null {
  const errors = Object.entries(values)
    .filter(([, value]) => value.trim() === '')
    .map(([field]): FieldError => ({ field, code: 'required', message: '' }));
  return errors.length === 0 ? null : new ApiError(422, { errors });
}

export function AccountPage({ mode, expired, onLoggedIn }: AccountPageProps) {
  const client = useClient();
  const { t } = useTranslation();
  const form = useRef<HTMLFormElement>(null);
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const isSignUp = mode === 'signup';
  const errors = fieldErrors(error, t);
  if (isSignUp && error instanceof ApiError && error.status === 409) errors['email'] = t('code.taken');
  useEffect(() => {
    if (error !== null) focusFirstInvalid(form.current);
  }, [error]);

  async function enter(): Promise<void> {
    const empty = missing(isSignUp ? { name, email, password } : { email, password });
    if (empty !== null) {
      setError(empty);
      return;
    }
    setBusy(true);
    setError(null);
    try {
      if (isSignUp) await client.signUp(email.trim(), password, name.trim());
      await client.logIn(email.trim(), password);
    } catch (failure) {
      setError(failure);
      return;
    } finally {
      setBusy(false);
    }
    onLoggedIn();
  }

  function submit(event: SubmitEvent): void {
    event.preventDefault();
    if (!busy) void enter();
  }

  const other: Path = isSignUp ? '/login' : '/signup';
  return (
    <form ref={form} className="card narrow" noValidate onSubmit={submit} aria-labelledby="account-title" aria-busy={busy}>
      <h1 id="account-title">{t(`${mode}.title`)}</h1>
      <p className="lead">{t(`${mode}.lead`)}</p>
      <Notice kind="info">{expired && error === null ? t('login.expired') : null}</Notice>
      {isSignUp && (
        <Field
          name="name"
          label={t('field.name')}
          value={name}
          error={errors['name']}
          autoComplete="name"
          required
          onChange={(event) => setName(event.target.value)}
        />
      )}
      <Field
        name="email"
        type="email"
        label={t('field.email')}
        value={email}
        error={errors['email']}
        autoComplete={isSignUp ? 'email' : 'username'}
        autoCapitalize="none"
        spellCheck={false}
        required
        onChange={(event) => setEmail(event.target.value)}
      />
      <Field
        name="password"
        type="password"
        label={t('field.password')}
        hint={isSignUp ? t('field.password.hint') : undefined}
        value={password}
        error={errors['password']}
        autoComplete={isSignUp ? 'new-password' : 'current-password'}
        required
        onChange={(event) => setPassword(event.target.value)}
      />
      <Notice kind="error">{error === null ? null : explain(error, t, { credentials: true })}</Notice>
      <button type="submit" disabled={busy}>
        {t(busy ? 'common.loading' : `${mode}.submit`)}
      </button>
      <p className="aside">
        {t(isSignUp ? 'signup.have' : 'login.none')}{' '}
        <a
          href={other}
          onClick={(event) => {
            event.preventDefault();
            navigate(other);
          }}
        >
          {t(isSignUp ? 'signup.login' : 'login.signup')}
        </a>
      </p>
    </form>
  );
}
