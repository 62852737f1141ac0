import { render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';

import { Client } from './api/client';
import { ClientContext } from './api/context';
import { Session } from './api/session';
import type { Profile, ProfilePatch } from './api/types';
import { App } from './App';
import { TranslationProvider } from './i18n/TranslationProvider';
import { enrichment, json, problem, profile, serve, tokens } from './testing/server';

function open({ language = 'en', session = false } = {}) {
  localStorage.setItem('alicerce.language', language);
  if (session) sessionStorage.setItem('alicerce.refresh_token', 'kept');
  const client = new Client(new Session(sessionStorage));
  render(
    <TranslationProvider>
      <ClientContext value={client}>
        <App />
      </ClientContext>
    </TranslationProvider>,
  );
  return userEvent.setup();
}

/** A platform with one account, which enriches at once. */
function platform(overrides: Parameters<typeof serve>[0] = {}) {
  let now: Profile = profile;
  return serve({
    'POST /api/v1/auth/signup': () => json({ id: profile.id, email: profile.email, name: profile.name }, 201),
    'POST /api/v1/auth/login': tokens,
    'POST /api/v1/auth/refresh': tokens,
    'POST /api/v1/auth/logout': () => new Response(null, { status: 204 }),
    'GET /api/v1/users/me': () => json(now),
    'PATCH /api/v1/users/me': ({ body }) => {
      now = { ...now, ...(body as ProfilePatch), revision: now.revision + 1 } as Profile;
      return json(now);
    },
    'GET /api/v1/enrichment/me': () => json({ ...enrichment, revision: now.revision }),
    ...overrides,
  });
}

describe('signing up', () => {
  it('leads to the profile and its enriched data', async () => {
    const calls = platform();
    const user = open();
    await user.click(screen.getByRole('link', { name: 'Create one' }));
    await waitFor(() => expect(location.pathname).toBe('/signup'));
    await user.type(screen.getByLabelText('Full name'), ' Ana Souza ');
    await user.type(screen.getByLabelText('E-mail'), 'ana@example.com');
    await user.type(screen.getByLabelText('Password'), 'a long password');
    await user.click(screen.getByRole('button', { name: 'Create account' }));
    expect(await screen.findByRole('heading', { name: 'Your profile' })).toBeVisible();
    await waitFor(() => expect(location.pathname).toBe('/profile'));
    expect(calls[0]?.body).toEqual({ email: 'ana@example.com', password: 'a long password', name: 'Ana Souza' });
    const found = screen.getByRole('region', { name: 'What we found out' });
    expect(await within(found).findByText('529.982.247-25')).toBeVisible();
    expect(within(found).getByText('São Paulo · BR')).toBeVisible();
    expect(within(found).getByText('36 years (band 35-44)')).toBeVisible();
  });

  it('asks for what is empty, and goes to the first of it', async () => {
    const calls = platform();
    history.replaceState(null, '', '/signup');
    const user = open();
    await user.type(screen.getByLabelText('Full name'), 'Ana');
    await user.click(screen.getByRole('button', { name: 'Create account' }));
    const email = screen.getByLabelText('E-mail');
    expect(email).toHaveFocus();
    expect(email).toBeInvalid();
    expect(email).toHaveAccessibleDescription(/Fill this field in/);
    expect(calls).toEqual([]);
  });

  it('shows an e-mail that is taken beside the field, in the language of the page', async () => {
    platform({ 'POST /api/v1/auth/signup': () => problem(409) });
    history.replaceState(null, '', '/signup');
    const user = open({ language: 'pt' });
    await user.type(screen.getByLabelText('Nome completo'), 'Ana');
    await user.type(screen.getByLabelText('E-mail'), 'ana@example.com');
    await user.type(screen.getByLabelText('Senha'), 'a long password{Enter}');
    await waitFor(() => expect(screen.getByLabelText('E-mail')).toBeInvalid());
    expect(screen.getByLabelText('E-mail')).toHaveAccessibleDescription('Já existe uma conta com este e-mail.');
  });
});

describe('what the server refuses as a whole', () => {
  it('is said above the button', async () => {
    platform({ 'POST /api/v1/auth/signup': () => problem(422, [{ field: '', code: 'too_weak', message: 'weak' }]) });
    history.replaceState(null, '', '/signup');
    const user = open();
    await user.type(screen.getByLabelText('Full name'), 'Ana');
    await user.type(screen.getByLabelText('E-mail'), 'ana@example.com');
    await user.type(screen.getByLabelText('Password'), 'ana@example.com{Enter}');
    expect(await screen.findByText('Choose a stronger password.')).toBeVisible();
  });
});

describe('logging in', () => {
  it('tells a wrong password from a broken server', async () => {
    const answers = [problem(401), problem(500)];
    platform({ 'POST /api/v1/auth/login': () => answers.shift() ?? problem(500) });
    const user = open();
    await user.type(screen.getByLabelText('E-mail'), 'ana@example.com');
    await user.type(screen.getByLabelText('Password'), 'wrong{Enter}');
    expect(await screen.findByText('E-mail or password do not match.')).toBeVisible();
    await user.click(screen.getByRole('button', { name: 'Log in' }));
    expect(await screen.findByText(/could not answer.*request-1/)).toBeVisible();
  });

  it('is needed again when the session has ended', async () => {
    platform({ 'POST /api/v1/auth/refresh': () => problem(401) });
    open({ session: true });
    expect(await screen.findByText('Your session has ended. Log in again to go on.')).toBeVisible();
    await waitFor(() => expect(location.pathname).toBe('/login'));
  });

  it('is over after logging out', async () => {
    const calls = platform();
    const user = open({ session: true });
    await user.click(await screen.findByRole('button', { name: 'Log out' }));
    expect(await screen.findByRole('heading', { name: 'Log in' })).toBeVisible();
    expect(sessionStorage).toHaveLength(0);
    await waitFor(() => expect(calls.at(-1)?.path).toBe('/api/v1/auth/logout'));
  });
});

describe('the profile', () => {
  it('sends what was changed and watches it being enriched', async () => {
    const calls = platform();
    const user = open({ session: true });
    await user.type(await screen.findByLabelText('Phone'), '(11) 98765-4321');
    await user.type(screen.getByLabelText('City'), 'São Paulo');
    await user.selectOptions(screen.getByLabelText('Country'), 'BR');
    await user.click(screen.getByRole('button', { name: 'Save' }));
    expect(await screen.findByText('Profile saved.')).toBeVisible();
    expect(calls.find((call) => call.method === 'PATCH')?.body).toEqual({
      phone: '(11) 98765-4321',
      address: expect.objectContaining({ city: 'São Paulo', country: 'BR', street: null }) as unknown,
    });
    await waitFor(() => expect(screen.getByText('The data is up to date.')).toHaveAttribute('data-revision', '2'));
  });

  it('shows what the server refuses beside its field, by its code', async () => {
    const errors = [
      { field: 'cpf', code: 'cpf', message: 'in the words of the server' },
      { field: 'address.postal_code', code: 'never_heard_of', message: 'in the words of the server' },
    ];
    platform({ 'PATCH /api/v1/users/me': () => problem(422, errors) });
    const user = open({ session: true });
    const cpf = await screen.findByLabelText(/^CPF/);
    await user.type(cpf, '123');
    await user.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(cpf).toBeInvalid());
    expect(cpf).toHaveFocus();
    expect(cpf).toHaveAccessibleDescription('This CPF is not valid: check its digits.');
    expect(screen.getByLabelText('Postal code')).toHaveAccessibleDescription('in the words of the server');
    expect(screen.getByRole('alert')).toHaveTextContent('Check the marked fields.');
    expect(cpf).toHaveValue('123');
  });

  it('says so when there is nothing to save', async () => {
    const calls = platform();
    const user = open({ session: true });
    await user.click(await screen.findByRole('button', { name: 'Save' }));
    expect(screen.getByText('There is nothing to save.')).toBeVisible();
    expect(calls.some((call) => call.method === 'PATCH')).toBe(false);
  });

  it('can be asked for again when it could not be read', async () => {
    const answers = [problem(503), json(profile)];
    platform({ 'GET /api/v1/users/me': () => answers.shift() ?? problem(500) });
    const user = open({ session: true });
    await user.click(await screen.findByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('heading', { name: 'Your profile' })).toBeVisible();
  });
});

describe('the language', () => {
  it('changes everywhere at once, keeps what was typed, and is remembered', async () => {
    platform();
    const user = open({ session: true });
    await user.type(await screen.findByLabelText('City'), 'Porto');
    await user.click(screen.getByRole('button', { name: 'Português' }));
    expect(screen.getByRole('heading', { name: 'Seu perfil' })).toBeVisible();
    expect(screen.getByLabelText('Cidade')).toHaveValue('Porto');
    expect(await screen.findByText('36 anos (faixa 35-44)')).toBeVisible();
    expect(document.documentElement.lang).toBe('pt-BR');
    expect(document.title).toBe('Seu perfil · Alicerce');
    expect(localStorage.getItem('alicerce.language')).toBe('pt');
  });

  it('is the browser’s at first', () => {
    platform();
    vi.spyOn(navigator, 'languages', 'get').mockReturnValue(['pt-PT']);
    open({ language: 'none' });
    expect(screen.getByRole('heading', { name: 'Entrar' })).toBeVisible();
  });
});
