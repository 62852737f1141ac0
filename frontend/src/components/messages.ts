import { ApiError } from '../api/problem';
import { isMessageKey, type MessageKey, type Translation } from '../i18n';

export type FieldErrors = Record<string, string>;

/** What went wrong on the whole, in the reader's words. `credentials` tells that a 401 means a wrong password. */
export function explain(error: unknown, t: Translation['t'], { credentials = false } = {}): string {
  if (!(error instanceof ApiError)) return t('error.server');
  const known = ((): MessageKey => {
    switch (error.status) {
      case 0:
        return 'error.network';
      case 401:
        return credentials ? 'error.credentials' : 'login.expired';
      case 409:
        return 'code.taken';
      case 422:
        return error.errors.some(({ field }) => field !== '') ? 'error.fields' : 'error.refused';
      case 429:
        return 'error.busy';
      case 502:
      case 503:
      case 504:
        return 'error.unavailable';
      default:
        return error.status >= 500 ? 'error.server' : 'error.refused';
    }
  })();
  // What concerns no single field is said here; the rest stands beside its field.
  const general = fieldErrors(error, t)[''];
  if (general !== undefined) return general;
  const request = error.status >= 500 && error.requestId !== undefined ? t('error.request', { id: error.requestId }) : '';
  return `${t(known)} ${request}`.trim();
}

/** The message beside each field: by its code, and in the server's own words where the code is new to us. */
export function fieldErrors(error: unknown, t: Translation['t']): FieldErrors {
  if (!(error instanceof ApiError)) return {};
  const found: FieldErrors = {};
  for (const { field, code, message } of error.errors) {
    const key = `code.${code}`;
    found[field] ??= isMessageKey(key) ? t(key) : message;
  }
  return found;
}
