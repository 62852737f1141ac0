import type { Tokens } from './types';

const KEY = 'alicerce.refresh_token';

/**
 * Where the tokens live.
 *
 * The access token stays in memory: no other page, extension storage or disk ever sees it, and it is gone on reload.
 * The refresh token is in sessionStorage, so that a reload keeps the session: it belongs to this tab and this origin and
 * vanishes with the tab. A script injected into this page could read it; the content security policy allows scripts of
 * our own files only, each token serves once, and its reuse ends the whole session on the server.
 */
export class Session {
  accessToken: string | null = null;
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  get refreshToken(): string | null {
    return this.#storage.getItem(KEY);
  }

  keep(tokens: Tokens): void {
    this.accessToken = tokens.access_token;
    this.#storage.setItem(KEY, tokens.refresh_token);
  }

  clear(): void {
    this.accessToken = null;
    this.#storage.removeItem(KEY);
  }
}
