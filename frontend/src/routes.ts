import { useSyncExternalStore } from 'react';

export const paths = ['/login', '/signup', '/profile'] as const;
export type Path = (typeof paths)[number];

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

export function navigate(path: Path, { replace = false } = {}): void {
  if (location.pathname === path) return;
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  for (const listener of listeners) listener();
}

/** The path of the page, null when it is none of ours. */
export function usePath(): Path | null {
  const pathname = useSyncExternalStore(subscribe, () => location.pathname);
  return paths.find((path) => path === pathname) ?? null;
}
