import { beforeEach, describe, expect, it, vi } from 'vitest';

import { json, problem, profile, serve, tokens } from '../testing/server';
import { Client } from './client';
import { ApiError } from './problem';
import { Session } from './session';

let session: Session;
let client: Client;
const ended = vi.fn();

beforeEach(() => {
  ended.mockClear();
  session = new Session(sessionStorage);
  client = new Client(session);
  client.whenSessionEnds(ended);
});

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof ApiError)) throw new Error('it did not fail as it should');
  return error;
};

describe('the session', () => {
  it('keeps the access token out of every storage', async () => {
    serve({ 'POST /api/v1/auth/login': tokens });
    await client.logIn('ana@example.com', 'a password');
    expect(session.accessToken).toBe('access-1');
    const kept = [sessionStorage, localStorage].map((storage): unknown[] => Object.values(storage));
    expect(kept).toEqual([['refresh-1'], []]);
    expect(new Client(new Session(sessionStorage)).hasSession).toBe(true);
  });

  it('is over here at once on log-out, even when the server cannot be told', async () => {
    const calls = serve({ 'POST /api/v1/auth/login': tokens, 'POST /api/v1/auth/logout': () => new TypeError('offline') });
    await client.logIn('ana@example.com', 'a password');
    const error = await failure(client.logOut());
    expect(error.status).toBe(0);
    expect(calls.at(-1)?.body).toEqual({ refresh_token: 'refresh-1' });
    expect(client.hasSession).toBe(false);
    expect(session.accessToken).toBeNull();
  });

  it('goes on after a reload with the refresh token alone', async () => {
    sessionStorage.setItem('alicerce.refresh_token', 'kept');
    const calls = serve({ 'POST /api/v1/auth/refresh': tokens, 'GET /api/v1/users/me': () => json(profile) });
    expect(await client.profile()).toEqual(profile);
    expect(calls.map((call) => [call.path, call.token])).toEqual([
      ['/api/v1/auth/refresh', null],
      ['/api/v1/users/me', 'access-1'],
    ]);
    expect(session.refreshToken).toBe('refresh-1');
  });
});

describe('an access token that has expired', () => {
  const expiring = (refresh: () => Response) => {
    session.keep({ access_token: 'old', refresh_token: 'refresh-0', token_type: 'Bearer', expires_in: 1 });
    return serve({
      'POST /api/v1/auth/refresh': refresh,
      'GET /api/v1/users/me': ({ token }) => (token === 'access-1' ? json(profile) : problem(401)),
      'GET /api/v1/enrichment/me': ({ token }) => (token === 'access-1' ? problem(404) : problem(401)),
    });
  };

  it('is renewed and the call made again', async () => {
    expiring(tokens);
    expect(await client.profile()).toEqual(profile);
    expect(session.refreshToken).toBe('refresh-1');
  });

  it('is renewed once for calls that run side by side', async () => {
    const calls = expiring(tokens);
    const [mine, enriched] = await Promise.all([client.profile(), client.enrichment()]);
    expect(mine).toEqual(profile);
    expect(enriched).toBeNull();
    expect(calls.filter((call) => call.path === '/api/v1/auth/refresh')).toHaveLength(1);
  });

  it('is not renewed again and again', async () => {
    const calls = serve({ 'POST /api/v1/auth/refresh': tokens, 'GET /api/v1/users/me': () => problem(401) });
    session.keep({ access_token: 'old', refresh_token: 'refresh-0', token_type: 'Bearer', expires_in: 1 });
    expect((await failure(client.profile())).status).toBe(401);
    expect(calls.map((call) => call.path)).toEqual(['/api/v1/users/me', '/api/v1/auth/refresh', '/api/v1/users/me']);
  });

  it('ends the session when the refresh token is refused', async () => {
    expiring(() => problem(401));
    expect((await failure(client.profile())).status).toBe(401);
    expect(ended).toHaveBeenCalledOnce();
    expect(client.hasSession).toBe(false);
  });

  it.each([503, 429])('keeps the session when the server answers %i', async (status) => {
    expiring(() => problem(status));
    expect((await failure(client.profile())).status).toBe(status);
    expect(ended).not.toHaveBeenCalled();
    expect(session.refreshToken).toBe('refresh-0');
  });

  it('does not bring back a session that was left meanwhile', async () => {
    let answer: (response: Response) => void = () => undefined;
    sessionStorage.setItem('alicerce.refresh_token', 'refresh-0');
    serve({
      'POST /api/v1/auth/refresh': () => new Promise<Response>((resolve) => (answer = resolve)),
      'POST /api/v1/auth/logout': () => new Response(null, { status: 204 }),
      'GET /api/v1/users/me': () => problem(401),
    });
    const asked = failure(client.profile());
    await vi.waitFor(() => expect(answer.name).not.toBe('answer'));
    await client.logOut();
    answer(tokens());
    expect((await asked).status).toBe(401);
    expect(client.hasSession).toBe(false);
    expect(session.accessToken).toBeNull();
  });
});

describe('an answer that is an error', () => {
  it('brings its fields and its request', async () => {
    const errors = [{ field: 'email', code: 'email', message: 'Not an e-mail.' }];
    serve({ 'POST /api/v1/auth/signup': () => problem(422, errors) });
    const error = await failure(client.signUp('x', 'y', 'z'));
    expect(error).toMatchObject({ status: 422, requestId: 'request-1', errors });
  });

  it.each([
    ['HTML of a proxy', new Response('<h1>Bad gateway</h1>', { status: 502 })],
    ['broken JSON', new Response('{', { status: 502, headers: { 'Content-Type': 'application/json' } })],
    ['JSON that is no object', json(null, 502)],
  ])('is understood when its body is %s', async (_, response) => {
    serve({ 'POST /api/v1/auth/login': () => response });
    expect(await failure(client.logIn('a', 'b'))).toMatchObject({ status: 502, errors: [] });
  });

  it('has status 0 when there was no answer', async () => {
    serve({ 'POST /api/v1/auth/login': () => new TypeError('Failed to fetch') });
    expect((await failure(client.logIn('a', 'b'))).status).toBe(0);
  });
});
