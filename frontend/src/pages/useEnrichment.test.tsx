import { act, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Client } from '../api/client';
import { ClientContext } from '../api/context';
import { Session } from '../api/session';
import { enrichment, json, problem, serve } from '../testing/server';
import { FIRST_DELAY_MS, GIVE_UP_AFTER_MS, LONGEST_DELAY_MS, SLOW_AFTER_MS, useEnrichment } from './useEnrichment';

function watch(revision: number) {
  const session = new Session(sessionStorage);
  session.keep({ access_token: 'access', refresh_token: 'refresh', token_type: 'Bearer', expires_in: 900 });
  const client = new Client(session);
  const wrapper = ({ children }: { children: ReactNode }) => (
    <ClientContext value={client}>{children}</ClientContext>
  );
  return renderHook(({ of }) => useEnrichment(of), { wrapper, initialProps: { of: revision } });
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('waiting for the enriched profile', () => {
  it('asks until it is of the revision', async () => {
    let revision = 0;
    const calls = serve({
      'GET /api/v1/enrichment/me': () => (revision === 0 ? problem(404) : json({ ...enrichment, revision })),
    });
    const { result } = watch(2);
    await pass(0);
    expect(result.current).toMatchObject({ phase: 'pending', data: null });
    revision = 1;
    await pass(FIRST_DELAY_MS);
    expect(result.current).toMatchObject({ phase: 'pending', data: { revision: 1 } });
    revision = 2;
    await pass(LONGEST_DELAY_MS);
    expect(result.current).toMatchObject({ phase: 'ready', data: { revision: 2 } });
    const asked = calls.length;
    await pass(GIVE_UP_AFTER_MS);
    expect(calls).toHaveLength(asked);
  });

  it('starts again, with the old data still there, when the profile changes', async () => {
    let revision = 1;
    serve({ 'GET /api/v1/enrichment/me': () => json({ ...enrichment, revision }) });
    const { result, rerender } = watch(1);
    await pass(0);
    expect(result.current.phase).toBe('ready');
    rerender({ of: 2 });
    await pass(0);
    expect(result.current).toMatchObject({ phase: 'pending', data: { revision: 1 } });
    revision = 2;
    await pass(FIRST_DELAY_MS);
    expect(result.current.phase).toBe('ready');
  });

  it('asks ever less often, says that it is slow, and gives up in the end', async () => {
    const calls = serve({ 'GET /api/v1/enrichment/me': () => problem(404) });
    const { result } = watch(1);
    await pass(SLOW_AFTER_MS + LONGEST_DELAY_MS);
    expect(result.current.phase).toBe('slow');
    expect(calls.length).toBeLessThan(12);
    await pass(GIVE_UP_AFTER_MS);
    expect(result.current.phase).toBe('failed');
    const asked = calls.length;
    expect(asked).toBeLessThan(30);
    await pass(GIVE_UP_AFTER_MS);
    expect(calls).toHaveLength(asked);
    act(() => result.current.retry());
    await pass(0);
    expect(result.current.phase).toBe('pending');
    expect(calls).toHaveLength(asked + 1);
  });

  it('lives through errors that pass', async () => {
    const answers = [new TypeError('offline'), problem(503), problem(429), json(enrichment)];
    serve({ 'GET /api/v1/enrichment/me': () => answers.shift() ?? problem(500) });
    const { result } = watch(1);
    await pass(LONGEST_DELAY_MS);
    expect(result.current.phase).toBe('ready');
  });

  it('stops at an error that stays', async () => {
    const calls = serve({ 'GET /api/v1/enrichment/me': () => problem(403) });
    const { result } = watch(1);
    await pass(LONGEST_DELAY_MS);
    expect(result.current.phase).toBe('failed');
    expect(calls).toHaveLength(1);
  });

  it('asks nothing once it is off the page', async () => {
    const calls = serve({ 'GET /api/v1/enrichment/me': () => problem(404) });
    const { unmount } = watch(1);
    await pass(0);
    unmount();
    await pass(GIVE_UP_AFTER_MS);
    expect(calls).toHaveLength(1);
  });
});
