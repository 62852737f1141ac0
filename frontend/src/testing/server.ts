import { vi } from 'vitest';

import type { Enrichment, FieldError, Profile } from '../api/types';

export interface Call {
  method: string;
  path: string;
  body: unknown;
  token: string | null;
}

type Answer = Response | Error | Promise<Response>;
type Handler = (call: Call) => Answer;

export const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });

export const problem = (status: number, errors?: FieldError[]): Response =>
  new Response(JSON.stringify({ type: 'about:blank', title: 'Refused', status, request_id: 'request-1', errors }), {
    status,
    headers: { 'Content-Type': 'application/problem+json', 'X-Request-ID': 'request-1' },
  });

let issued = 0;
export const tokens = (): Response => {
  issued += 1;
  return json({ access_token: `access-${issued}`, refresh_token: `refresh-${issued}`, token_type: 'Bearer', expires_in: 900 });
};

/** Stands in for the platform: answers each `METHOD path` by its handler, and remembers the calls. */
export function serve(handlers: Record<string, Handler>): Call[] {
  issued = 0;
  const calls: Call[] = [];
  vi.stubGlobal('fetch', async (path: string, init: RequestInit): Promise<Response> => {
    const call: Call = {
      method: init.method ?? 'GET',
      path,
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
      token: new Headers(init.headers).get('Authorization')?.replace('Bearer ', '') ?? null,
    };
    calls.push(call);
    await Promise.resolve();
    init.signal?.throwIfAborted();
    const answer = await (handlers[`${call.method} ${path}`] ?? (() => problem(404)))(call);
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return calls;
}

export const profile: Profile = {
  id: '11111111-1111-4111-8111-111111111111',
  email: 'ana@example.com',
  name: 'Ana Souza',
  birth_date: null,
  phone: null,
  cpf: null,
  address: null,
  revision: 1,
  created_at: '2026-03-01T12:00:00Z',
  updated_at: '2026-03-01T12:00:00Z',
};

export const enrichment: Enrichment = {
  user_id: profile.id,
  revision: 1,
  name: { full: 'Ana Souza', first: 'Ana', last: 'Souza', initials: 'AS' },
  email: { valid: true, normalized: 'ana@example.com', domain: 'example.com', provider: 'custom' },
  phone: {
    valid: true,
    e164: '+5511987654321',
    international: '+55 11 98765-4321',
    region: 'São Paulo',
    country: 'BR',
    carrier: 'TIM',
    type: 'mobile',
    time_zones: ['America/Sao_Paulo'],
  },
  cpf: { valid: true, formatted: '529.982.247-25', region: 'ES, RJ' },
  age: { years: 36, band: '35-44' },
  avatar: { hash: 'a1'.repeat(32) },
  enriched_at: '2026-03-01T12:00:01Z',
};
