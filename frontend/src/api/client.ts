import { ApiError, problemOf } from './problem';
import type { Session } from './session';
import type { Account, Enrichment, Profile, ProfilePatch, Tokens } from './types';

const TIMEOUT_MS = 20_000;

interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** The platform's services, seen from the browser. Every method rejects with an ApiError. */
export class Client {
  readonly #session: Session;
  #onSessionEnd: (() => void) | null = null;
  #refreshing: Promise<void> | null = null;

  constructor(session: Session) {
    this.#session = session;
  }

  get hasSession(): boolean {
    return this.#session.refreshToken !== null;
  }

  /** Calls the listener when the session has ended without the user's asking; the answer takes it off again. */
  whenSessionEnds(listener: () => void): () => void {
    this.#onSessionEnd = listener;
    return () => {
      if (this.#onSessionEnd === listener) this.#onSessionEnd = null;
    };
  }

  async signUp(email: string, password: string, name: string): Promise<Account> {
    return this.#json({ method: 'POST', path: '/api/v1/auth/signup', body: { email, password, name } });
  }

  async logIn(email: string, password: string): Promise<void> {
    this.#session.keep(await this.#json({ method: 'POST', path: '/api/v1/auth/login', body: { email, password } }));
  }

  /** Ends the session here at once, whether or not the server hears of it. */
  async logOut(): Promise<void> {
    const refresh_token = this.#session.refreshToken;
    this.#session.clear();
    if (refresh_token === null) return;
    const response = await this.#send({ method: 'POST', path: '/api/v1/auth/logout', body: { refresh_token } });
    if (!response.ok) throw await problemOf(response);
  }

  async profile(signal?: AbortSignal): Promise<Profile> {
    return this.#authorized({ method: 'GET', path: '/api/v1/users/me', signal });
  }

  async saveProfile(patch: ProfilePatch): Promise<Profile> {
    return this.#authorized({ method: 'PATCH', path: '/api/v1/users/me', body: patch });
  }

  /** Null until there is one. */
  async enrichment(signal?: AbortSignal): Promise<Enrichment | null> {
    try {
      return await this.#authorized<Enrichment>({ method: 'GET', path: '/api/v1/enrichment/me', signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  async #authorized<T>(call: Call): Promise<T> {
    if (this.#session.accessToken === null) await this.#refresh();
    const used = this.#session.accessToken;
    try {
      return await this.#json<T>(call, used);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    // Another call may have renewed the token while this one was on its way.
    if (this.#session.accessToken === used) await this.#refresh();
    return this.#json<T>(call, this.#session.accessToken);
  }

  /** One at a time: a refresh token serves once, and a second use would end the session. */
  async #refresh(): Promise<void> {
    this.#refreshing ??= this.#renew().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #renew(): Promise<void> {
    const refresh_token = this.#session.refreshToken;
    if (refresh_token === null) {
      this.#onSessionEnd?.();
      throw new ApiError(401);
    }
    try {
      const tokens = await this.#json<Tokens>({ method: 'POST', path: '/api/v1/auth/refresh', body: { refresh_token } });
      // Somebody may have logged out meanwhile.
      if (this.#session.refreshToken === refresh_token) this.#session.keep(tokens);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.#session.clear();
        this.#onSessionEnd?.();
      }
      throw error;
    }
  }

  async #json<T>(call: Call, accessToken: string | null = null): Promise<T> {
    const response = await this.#send(call, accessToken);
    if (!response.ok) throw await problemOf(response);
    return (await response.json()) as T;
  }

  async #send({ method, path, body, signal }: Call, accessToken: string | null = null): Promise<Response> {
    const headers = new Headers({ Accept: 'application/json' });
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    if (accessToken !== null) headers.set('Authorization', `Bearer ${accessToken}`);
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await fetch(path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0);
    }
  }
}
