import { useCallback, useEffect, useState } from 'react';

import type { Client } from '../api/client';
import { useClient } from '../api/context';
import { ApiError } from '../api/problem';
import type { Enrichment } from '../api/types';

export const FIRST_DELAY_MS = 400;
export const LONGEST_DELAY_MS = 8_000;
export const SLOW_AFTER_MS = 15_000;
export const GIVE_UP_AFTER_MS = 120_000;
const GROWTH = 1.6;

export type Phase = 'pending' | 'slow' | 'failed' | 'ready';

export interface EnrichmentState {
  /** The latest there is; older than the profile until `phase` is ready. */
  data: Enrichment | null;
  phase: Phase;
  retry: () => void;
}

/** False when it was interrupted. */
async function sleep(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const interrupt = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', interrupt);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', interrupt, { once: true });
  });
}

const isPassing = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);

async function* poll(client: Client, revision: number, signal: AbortSignal): AsyncGenerator<Enrichment | 'slow' | 'failed'> {
  const start = performance.now();
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * GROWTH, LONGEST_DELAY_MS)) {
    try {
      const data = await client.enrichment(signal);
      if (signal.aborted) return;
      if (data !== null) yield data;
      if (data !== null && data.revision >= revision) return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) {
        yield 'failed';
        return;
      }
    }
    const elapsed = performance.now() - start;
    if (elapsed >= GIVE_UP_AFTER_MS) {
      yield 'failed';
      return;
    }
    if (elapsed >= SLOW_AFTER_MS) yield 'slow';
    if (!(await sleep(delay, signal))) return;
  }
}

/** Asks for the enriched profile, ever less often, until it is of the profile's revision. */
export function useEnrichment(revision: number): EnrichmentState {
  const client = useClient();
  const [attempt, setAttempt] = useState(0);
  const [data, setData] = useState<Enrichment | null>(null);
  const [trouble, setTrouble] = useState<{ of: string; phase: 'slow' | 'failed' } | null>(null);
  const of = `${revision}/${attempt}`;

  useEffect(() => {
    const controller = new AbortController();
    void (async () => {
      for await (const step of poll(client, revision, controller.signal)) {
        if (typeof step === 'string') setTrouble({ of: `${revision}/${attempt}`, phase: step });
        else setData(step);
      }
    })();
    return () => controller.abort();
  }, [client, revision, attempt]);

  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  if (data !== null && data.revision >= revision) return { data, phase: 'ready', retry };
  return { data, phase: trouble?.of === of ? trouble.phase : 'pending', retry };
}
